import re
from pathlib import Path

import pytest

from kigeon.config.load import load_settings
from kigeon.config.schema import BASIC_AUTH, CONFIGS_IN_FILE, FILE, HOOK, SENDER, Section
from kigeon.config.settings import FilterSettings, GlobalSettings, HookSettings, LokiSettings, QueueSettings

FOLDER = Path(__file__).parents[2] / "examples" / "config"
URL = "http://loki-gateway.loki.svc:80"


def test_the_full_example_says_what_the_defaults_are() -> None:
    full, minimal = load_settings(FOLDER / "full.yaml", {}), load_settings(FOLDER / "minimal.yaml", {})
    assert (full.global_, full.queue, full.pusher) == (minimal.global_, minimal.queue, minimal.pusher)
    assert (full.global_, full.queue) == (GlobalSettings(), QueueSettings())
    assert full.senders[0].loki == minimal.senders[0].loki == LokiSettings(URL)
    assert full.senders[0].filter == FilterSettings()
    assert full.senders[0].hook == HookSettings(FOLDER / "../hooks/route-by-namespace.star")


def keys_of(section: Section) -> set[str]:
    return set(section._keys)


def test_the_full_example_shows_every_key() -> None:
    known = set().union(*map(keys_of, (FILE, SENDER, HOOK, BASIC_AUTH, CONFIGS_IN_FILE["loki"])))
    known |= {"dataDir", "logLevel", "logFormat", "eventsMaxAge", "eventsMaxBytes", "kubernetesEventsMaxLifetime"}
    known |= {"pushTimeout", "matchLabels", "includeNonNamespaced", "hardRefreshInterval", "insecureSkipVerify"}
    shown = re.findall(r"^[ #-]*(\w+):(?: |$)", (FOLDER / "full.yaml").read_text("utf-8"), re.MULTILINE)
    assert known <= set(shown)


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    text = (FOLDER / "full.yaml").read_text("utf-8").replace("../hooks", str(FOLDER.parent / "hooks"))
    text, count = re.subn(r"^(\s+)# (tenantID:|basicAuth:|  \w+: (?! |send))", r"\1\2", text, flags=re.MULTILINE)
    assert count == 6
    file = tmp_path / "kigeon.yaml"
    file.write_text(text, "utf-8")
    loki = load_settings(file, {}).senders[0].loki
    assert loki is not None
    assert loki.tenant_id == "kubernetes"
    assert loki.basic_auth is not None
    assert loki.basic_auth.username == "kigeon"


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_the_readme_names_every_example(name: str) -> None:
    assert f"]({name})" in (FOLDER / "README.md").read_text("utf-8")
