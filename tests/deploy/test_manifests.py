"""The manifests as a real API server takes them, and the rights that they give as kigeon uses them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from kigeon import __version__
from tests.conformance.build import CanNotBuild, binary
from tests.conformance.recorder import CoreRecorder
from tests.deploy.control_plane import ControlPlane
from tests.deploy.pod import MANIFESTS, Pod, manifest
from tests.support.events import assert_once
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

IN_POD = "/var/run/secrets/kubernetes.io/serviceaccount"
PODS = "/api/v1/namespaces/kigeon/pods"


def documents(folder: str = "") -> list[dict[str, Any]]:
    """Return every manifest of a *folder*, in the order in which they are applied."""
    files = manifest(f"{folder}kustomization.yaml")["resources"]
    return [document for name in files for document in yaml.safe_load_all((MANIFESTS / folder / name).read_text())]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane to which the manifests were applied."""
    try:
        for name in ("etcd", "kube-apiserver"):
            binary(name)
    except CanNotBuild as error:
        pytest.fail(str(error))
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        for document in documents():
            running.apply(document)
        yield running


@pytest.fixture
def kube_pod(plane: ControlPlane) -> dict[str, Any]:
    """The Pod that the StatefulSet's controller would make."""
    template = manifest("statefulset.yaml")["spec"]["template"]
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-kigeon-0"}}
    spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], claim]}
    metadata = {**template["metadata"], "name": "kigeon-0", "namespace": "kigeon"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_every_file_is_applied_and_names_this_version() -> None:
    files = {path.name for path in MANIFESTS.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(manifest("kustomization.yaml")["resources"]) == files
    (container,) = manifest("statefulset.yaml")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"kigeon:{__version__}"


@pytest.mark.parametrize("folder", ["replicas/", ""])
def test_the_server_takes_them_whole_and_again(plane: ControlPlane, folder: str) -> None:
    for document in documents(folder):
        plane.apply(document)
        applied = plane.apply(document)
        kept = plane.ask("GET", f"{plane.collection(document)}/{document['metadata']['name']}")
        assert kept["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]
        assert lacks(kept, document) == []


def test_the_job_that_moves_a_queue_is_taken_and_has_the_volume_of_the_stateful_set(plane: ControlPlane) -> None:
    job, workload = manifest("replicas/move.yaml"), manifest("statefulset.yaml")
    assert lacks(plane.apply(job), job) == []
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"kigeon:{__version__}"
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    volumes = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    name = f"{claim['metadata']['name']}-{workload['metadata']['name']}-0"
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == name


def lacks(kept: Any, wanted: Any, path: str = "") -> list[str]:
    """Return the paths of what is in *wanted* and not in *kept*."""
    if isinstance(wanted, dict):
        return [miss for key in wanted for miss in lacks((kept or {}).get(key), wanted[key], f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(kept, list) and len(kept) == len(wanted):
        return [miss for number, one in enumerate(wanted) for miss in lacks(kept[number], one, f"{path}[{number}]")]
    return [] if kept == wanted else [path]


def test_a_field_that_is_misspelt_is_refused(plane: ControlPlane) -> None:
    wrong = manifest("statefulset.yaml")
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30
    with pytest.raises(requests.HTTPError, match="terminationGraceSeconds"):
        plane.apply(wrong)


def test_the_pod_is_as_restricted_as_its_namespace_demands(plane: ControlPlane, kube_pod: dict[str, Any]) -> None:
    dry = f"{PODS}?dryRun=All&fieldValidation=Strict"
    assert plane.ask("POST", dry, kube_pod)["spec"]["securityContext"]["runAsUser"] == 65534
    kube_pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(requests.HTTPError, match="violates PodSecurity"):
        plane.ask("POST", dry, kube_pod)


def test_the_rights_that_are_given_are_those_that_are_used(
    plane: ControlPlane, pod: Pod, loki: Loki, tmp_path: Path
) -> None:
    """The image runs with the service account's own token; the API server notes what it is asked for."""
    hook = {"script": "/opt/kigeon/hooks/add-pod-labels-as-stream-labels.star", "enrichPod": True}
    only = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    pod.configure_senders(loki_sender(loki, hook=hook, filter=only))
    as_a_pod_does(pod, plane, tmp_path / "account")
    plane.put_namespace("team-a", {"team": "a"})
    recorder = CoreRecorder(plane)
    events = [recorder.record(1, "team-a")]
    pod.start()
    loki.wait_for(1, timeout=60)
    wait_until(lambda: ("events", "watch", 200) in plane.asked(), what="a watch")
    events.append(recorder.record(2, "team-a"))
    loki.wait_for(2)
    assert pod.stop() == 0
    assert_once(loki.lines, events)
    used = {(resource, verb) for resource, verb, _ in plane.asked()}
    assert used == given()
    assert {status for _, _, status in plane.asked()} <= {200, 404}


def as_a_pod_does(pod: Pod, plane: ControlPlane, folder: Path) -> None:
    """Give *pod* what the kubelet gives every Pod: a token, the authority, and where the API server is."""
    folder.mkdir()
    (folder / "token").write_text(plane.token())
    shutil.copy(plane.authority, folder / "ca.crt")
    pod.binds[IN_POD] = folder
    pod.environ |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(plane.port)}


def given() -> set[tuple[str, str]]:
    """Return resource and verb of every right that the ClusterRole gives."""
    (role,) = (document for document in documents() if document["kind"] == "ClusterRole")
    rules = [(rule["resources"], rule["verbs"]) for rule in role["rules"]]
    return {(resource, verb) for resources, verbs in rules for resource in resources for verb in verbs}


def test_no_more_is_allowed(plane: ControlPlane) -> None:
    resources = ("events", "namespaces", "pods", "secrets", "configmaps", "nodes")
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    allowed = {(resource, verb) for resource in resources for verb in verbs if plane.is_allowed(verb, resource)}
    assert allowed == given()
    assert not plane.is_allowed("list", "events", "events.k8s.io")
