"""What the README shows is what there is."""

import re
from pathlib import Path

import pytest
import yaml

from kigeon.config.load import load_settings
from kigeon.config.settings import Settings
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import config_types

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the README's blocks of code in a *language*."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_its_configurations_are_valid(tmp_path: Path, block: str) -> None:
    path = tmp_path / "kigeon.yaml"
    path.write_text(block)
    assert isinstance(load_settings(path, config_types()), Settings)


@pytest.mark.parametrize("block", blocks("python"))
def test_its_hooks_load(tmp_path: Path, block: str) -> None:
    from kigeon.config.settings import HookSettings
    from kigeon.hooks.runner import check_script

    (tmp_path / "hook.star").write_text(block)
    check_script(HookSettings(tmp_path / "hook.star"))


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_test_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests/[\w/]+/)?test_\w+\.py)`", README))
    known = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    assert named
    assert {name for name in named if "/" in name} <= known
    assert {Path(name).name for name in named} <= {Path(name).name for name in known}


def test_its_table_of_defaults_is_what_the_code_has() -> None:
    rows = dict(re.findall(r"^\| `([\w.\[\]]+)` \| `([^`]+)`", README, re.MULTILINE))
    settings = Settings(())
    assert rows["global.dataDir"] == str(settings.global_.data_dir)
    assert rows["global.logLevel"] == settings.global_.log_level
    assert rows["queue.eventsMaxAge"] == f"{settings.queue.events_max_age / 3600:g}h"
    assert rows["queue.eventsMaxBytes"] == f"{settings.queue.events_max_bytes // 2**20}Mi"
    assert rows["queue.kubernetesEventsMaxLifetime"] == f"{settings.queue.kubernetes_events_max_lifetime / 3600:g}h"
    assert rows["pusher.pushTimeout"] == f"{settings.pusher.push_timeout:g}s"
    assert rows["pusher.batchWait"] == f"{settings.pusher.batch_wait * 1000:g}ms"
    assert rows["http.listen"] == settings.http.listen
    assert rows["http.namespaceLabel"] == str(settings.http.namespace_label).lower()
    assert rows["encoding"] == LokiSettings("http://loki").encoding


@pytest.mark.parametrize("folder", ["deploy/kubernetes", "deploy/kubernetes/replicas"])
def test_the_configuration_that_is_deployed_is_valid(tmp_path: Path, folder: str) -> None:
    manifest = yaml.safe_load((ROOT / folder / "configmap.yaml").read_text())
    path = tmp_path / "config.yaml"
    path.write_text(manifest["data"]["config.yaml"])
    assert load_settings(path, config_types()).senders[0].type == "loki"


def test_the_rights_that_are_asked_for_are_those_that_are_used() -> None:
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/rbac.yaml").read_text())
    (role,) = [document for document in documents if document["kind"] == "ClusterRole"]
    rights = {(rule["resources"][0], verb) for rule in role["rules"] for verb in rule["verbs"]}
    used = {("events", "list"), ("events", "watch"), ("namespaces", "list"), ("namespaces", "watch"), ("pods", "get")}
    assert rights == used


@pytest.mark.parametrize("workload", ["statefulset.yaml", "replicas/deployment.yaml", "replicas/move.yaml"])
def test_the_pod_may_write_to_its_volumes_alone(workload: str) -> None:
    manifest = yaml.safe_load((ROOT / "deploy/kubernetes" / workload).read_text())
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] == 65534
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/var/lib/kigeon", "/etc/kigeon", "/tmp"}
