import re
from pathlib import Path
from typing import Any

import pytest

from kigeon.config.hook import HOOK
from kigeon.config.load import load_settings
from kigeon.config.queue import QUEUE
from kigeon.config.schema import file_section, sender_section
from kigeon.config.settings import FilterSettings, GlobalSettings, HookSettings, HttpSettings, QueueSettings
from kigeon.config.validators import Section
from kigeon.senders.loki.labels import FIELDS
from kigeon.senders.loki.schema import BASIC_AUTH
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.registry import TYPES, config_types
from tests.support.events import make_event

FOLDER = Path(__file__).parents[2] / "examples" / "config"
URL = "http://loki-gateway.loki.svc:80"


def test_the_full_example_says_what_the_defaults_are() -> None:
    full, minimal = (
        load_settings(FOLDER / "full.yaml", config_types(), {}),
        load_settings(FOLDER / "minimal.yaml", config_types(), {}),
    )
    assert (full.global_, full.queue, full.pusher) == (minimal.global_, minimal.queue, minimal.pusher)
    assert full.http == minimal.http == HttpSettings()
    assert (full.global_, full.queue) == (GlobalSettings(), QueueSettings())
    assert full.senders[0].settings == minimal.senders[0].settings == LokiSettings(URL)
    assert full.senders[0].filter == FilterSettings()
    assert full.senders[0].hook == HookSettings(FOLDER / "../hooks/route-by-namespace.star")


def keys_of(section: Section) -> set[str]:
    return set(section._keys)


def test_the_full_example_shows_every_key() -> None:
    types = config_types()
    sections = (file_section(types), sender_section(types), HOOK, BASIC_AUTH, TYPES["loki"].config.in_file)
    known = set().union(*map(keys_of, sections), keys_of(QUEUE))
    known |= {"dataDir", "logLevel", "logFormat", "eventsMaxAge", "eventsMaxBytes", "kubernetesEventsMaxLifetime"}
    known |= {"pushTimeout", "batchWait", "listen", "namespaceLabel", "matchLabels"}
    known |= {"includeNonNamespaced", "hardRefreshInterval", "insecureSkipVerify"}
    shown = re.findall(r"^[ #-]*(\w+):(?: |$)", (FOLDER / "full.yaml").read_text("utf-8"), re.MULTILINE)
    assert known <= set(shown)


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    text = (FOLDER / "full.yaml").read_text("utf-8").replace("../hooks", str(FOLDER.parent / "hooks"))
    text, count = re.subn(
        r"^(\s+)# (tenantID:|basicAuth:|workers:|  \w+: (?! |send))", r"\1\2", text, flags=re.MULTILINE
    )
    assert count == 7
    file = tmp_path / "kigeon.yaml"
    file.write_text(text, "utf-8")
    loki = load_settings(file, config_types(), {}).senders[0].settings
    assert loki is not None
    assert loki.tenant_id == "kubernetes"
    assert loki.basic_auth is not None
    assert loki.basic_auth.username == "kigeon"


def test_the_example_of_a_cluster_shows_every_key_of_the_queue(tmp_path: Path) -> None:
    text = (FOLDER / "jetstream-cluster.yaml").read_text("utf-8")
    for name in re.findall(r"secrets/\S+", text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a secret")
    (tmp_path / "kigeon.yaml").write_text(text)
    queue = load_settings(tmp_path / "kigeon.yaml", config_types(), {}).queue
    assert queue.external is not None
    assert (queue.external.replicas, queue.external.name, len(queue.external.servers)) == (3, "prod-eu", 3)
    assert len(queue.external.files) == 5
    of_the_stream = {"eventsMaxAge", "eventsMaxBytes", "kubernetesEventsMaxLifetime"}
    assert keys_of(QUEUE) - of_the_stream <= set(re.findall(r"\w+", text))


def test_the_readme_names_every_example() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| \[.*?\]\((.*?)\)", readme, re.MULTILINE)) == {
        file.name for file in FOLDER.glob("*.yaml")
    }


def test_the_full_example_names_every_field_that_may_be_a_label() -> None:
    (told,) = re.findall(r"# Fields: (.*?)\.\n", (FOLDER / "full.yaml").read_text("utf-8"), re.DOTALL)
    assert re.findall(r"\w+", re.sub(r"\(.*?\)|#", "", told)) == list(FIELDS)


POD = make_event(1)
NODE = make_event(2, type="Normal", involvedObject={"kind": "Node", "name": "node-2"})


@pytest.mark.parametrize(
    ("name", "event", "stream", "metadata"),
    [
        (
            "go-kigeon-labels.yaml",
            POD,
            {
                "namespace": "shop",
                "involved_object_kind": "Pod",
                "involved_object_name": "web-1",
                "reason": "BackOff",
                "type": "Warning",
                "source_component": "kubelet",
                "source_host": "node-1",
                "service_name": "kigeon",
            },
            {"level": "warn", "event_uid": POD["metadata"]["uid"]},
        ),
        (
            "alloy-labels.yaml",
            POD,
            {
                "job": "integrations/kubernetes/eventhandler",
                "source": "kubernetes-events",
                "namespace": "shop",
                "reason": "BackOff",
                "level": "Warning",
            },
            {"name": "web-1", "node": "node-1", "detected_level": "warn"},
        ),
        (
            "alloy-labels.yaml",
            NODE,
            {
                "job": "integrations/kubernetes/eventhandler",
                "source": "kubernetes-events",
                "reason": "BackOff",
                "level": "Normal",
            },
            {"name": "node-2", "node": "node-2", "detected_level": "info"},
        ),
    ],
)
def test_what_an_event_has_with_the_labels_that_others_write(
    name: str, event: dict[str, Any], stream: dict[str, str], metadata: dict[str, str]
) -> None:
    (sender,) = load_settings(FOLDER / name, config_types(), {}).senders
    assert sender.settings is not None
    sink = LokiSink(sender.settings)
    entry = sink.entry(event, None)
    sink.close()
    assert (dict(entry.stream), entry.metadata) == (stream, metadata)
