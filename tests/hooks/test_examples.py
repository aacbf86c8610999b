"""The hooks in examples/hooks, configured as their README says."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kigeon.config.load import load_settings
from kigeon.config.settings import SenderSettings
from kigeon.hooks.cache import ConfigCache
from kigeon.hooks.results import Transformed
from kigeon.hooks.runner import HookRunner
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import TYPES, config_types
from tests.support.events import make_event

EXAMPLES = Path(__file__).parents[2] / "examples" / "hooks"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.star"))
BY_NAMESPACE = "route-by-namespace.star"
POD_LABELS = "add-pod-labels-as-stream-labels.star"
OOM = "route-oom-events.star"


def sender_of(folder: Path, name: str) -> SenderSettings:
    """Return the sender that the README configures for a script, below the heading of that name."""
    shutil.copytree(EXAMPLES, folder / "hooks")
    section = (EXAMPLES / "README.md").read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    (folder / "kigeon.yaml").write_text(found[1])
    (sender,) = load_settings(folder / "kigeon.yaml", config_types(), {}).senders
    assert sender.hook is not None
    assert sender.hook.script.name == name
    return sender


@contextmanager
def running(folder: Path, name: str) -> Iterator[Any]:
    """Return a function from an event to the settings that a script chooses for it."""
    sender = sender_of(folder, name)
    assert sender.hook is not None
    runner, configs = HookRunner(sender.hook, sender.config), ConfigCache(TYPES[sender.type].config)

    def choose(event: dict[str, Any]) -> LokiSettings:
        (result,) = runner.transform([event])
        assert isinstance(result, Transformed)
        chosen = sender.settings if result.config is None else configs.settings_of(result.config)
        assert isinstance(chosen, LokiSettings)
        return chosen

    try:
        runner.start()
        yield choose
    finally:
        runner.close()


def test_every_example_is_in_the_readme() -> None:
    assert sorted(re.findall(r"^## (.*\.star)$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == NAMES
    assert sorted([BY_NAMESPACE, POD_LABELS, OOM]) == NAMES


@pytest.mark.parametrize(
    ("involved", "tenant"),
    [
        ({"kind": "Pod", "namespace": "shop"}, "shop"),
        ({"kind": "Pod", "namespace": "kube-system"}, "platform"),
        ({"kind": "Node", "name": "node-1"}, "platform"),
        ({"kind": "Node", "namespace": ""}, "platform"),
    ],
)
def test_route_by_namespace(tmp_path: Path, involved: dict[str, str], tenant: str) -> None:
    with running(tmp_path, BY_NAMESPACE) as choose:
        assert choose(make_event(1, involvedObject=involved)).tenant_id == tenant
        assert choose({}).tenant_id == "platform"


@pytest.mark.parametrize(
    ("labels", "added"),
    [
        ({"app.kubernetes.io/name": "web", "team": "a", "pod-template-hash": "5d9"}, {"app": "web", "team": "a"}),
        ({"app.kubernetes.io/part-of": "shop"}, {"part_of": "shop"}),
        ({"pod-template-hash": "5d9"}, {}),
    ],
)
def test_add_pod_labels_as_stream_labels(tmp_path: Path, labels: dict[str, str], added: dict[str, str]) -> None:
    with running(tmp_path, POD_LABELS) as choose:
        event = make_event(1) | {"pod": {"metadata": {"name": "web-1", "labels": labels}}}
        assert choose(event).stream_labels == {"cluster": "production"} | added
        assert choose(make_event(2) | {"pod": {"metadata": {}}}).stream_labels == {"cluster": "production"}
        assert choose(make_event(3)).stream_labels == {"cluster": "production"}


def test_adding_pod_labels_is_configured_with_pods(tmp_path: Path) -> None:
    hook = sender_of(tmp_path, POD_LABELS).hook
    assert hook is not None
    assert hook.enrich_pod


def test_route_oom_events(tmp_path: Path) -> None:
    with running(tmp_path, OOM) as choose:
        assert choose(make_event(1, reason="OOMKilling")).tenant_id == "oom"
        assert choose(make_event(2, reason="BackOff")).tenant_id == "events"
        assert choose({}).tenant_id == "events"
