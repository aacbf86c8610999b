"""The probes of the manifests ask for what is served, where it is served."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.http.message import Request
from kigeon.http.server import split_address
from kigeon.http.site import Site
from tests.config.files import load

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"


WORKLOADS = ["statefulset.yaml", "replicas/deployment.yaml"]


def container(workload: str) -> dict[str, Any]:
    spec = yaml.safe_load((FOLDER / workload).read_text())["spec"]["template"]["spec"]
    (found,) = spec["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_probe_asks_for_what_is_served(probe: str, workload: str) -> None:
    asked = container(workload)[probe]["httpGet"]
    path = {"livenessProbe": "/livez", "readinessProbe": "/readyz"}[probe]
    assert (asked["path"], asked["port"]) == (path, "http")
    assert Site().respond(Request("GET", path)).status != HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("workload", WORKLOADS)
def test_it_is_served_at_the_port_that_is_asked(tmp_path: Path, workload: str) -> None:
    text = yaml.safe_load((FOLDER / workload).with_name("configmap.yaml").read_text())["data"]["config.yaml"]
    host, port = split_address(load(tmp_path, text).http.listen)
    assert host == ""
    assert container(workload)["ports"] == [{"name": "http", "containerPort": port}]


def test_replicas_have_the_same_rights_and_namespace() -> None:
    for name in ("namespace.yaml", "rbac.yaml"):
        assert (FOLDER / "replicas" / name).read_text() == (FOLDER / name).read_text()


def test_replicas_have_no_volume_that_outlives_them_and_are_not_drained_at_once(tmp_path: Path) -> None:
    folder = FOLDER / "replicas"
    assert set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]) == {
        path.name for path in folder.glob("*.yaml")
    } - {"kustomization.yaml", "move.yaml"}, "a queue is moved by hand, once"
    deployment = yaml.safe_load((folder / "deployment.yaml").read_text())
    budget = yaml.safe_load((folder / "poddisruptionbudget.yaml").read_text())
    pods = deployment["spec"]["template"]
    assert {next(iter(volume.keys() - {"name"})) for volume in pods["spec"]["volumes"]} == {"configMap", "emptyDir"}
    assert budget["spec"]["maxUnavailable"] < deployment["spec"]["replicas"] == 3
    labels = pods["metadata"]["labels"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for term in pods["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]:
        assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= labels.items()
    assert container("replicas/deployment.yaml")["image"] == container("statefulset.yaml")["image"]
    text = yaml.safe_load((folder / "configmap.yaml").read_text())["data"]["config.yaml"]
    external = load(tmp_path, text).queue.external
    assert external is not None
    assert external.replicas == 3
