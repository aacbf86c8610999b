from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from kigeon.config.settings import FilterSettings
from kigeon.errors import KubernetesError
from kigeon.kube.access import ClusterAccess
from kigeon.kube.namespaces import NamespaceFilter, Namespaces
from kigeon.kube.pods import REMEMBER, SIDE_BY_SIDE, Missing, PodKey, PodLookup, pod_key_of
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.processes import wait_until


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def access(tmp_path: Path, api: ApiServer) -> ClusterAccess:
    return ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_namespaces_follow_the_cluster_and_a_deleted_one_is_kept(api: ApiServer, access: ClusterAccess) -> None:
    clock = Clock()
    api.put_namespace("shop", {"team": "web"})
    namespaces = Namespaces(access, keep_deleted=60.0, clock=clock)
    namespaces.start()
    try:
        wait_until(lambda: namespaces.labels("shop"))
        api.put_namespace("shop", {"team": "other"})
        wait_until(lambda: (namespaces.labels("shop") or {}).get("team") == "other")
        api.delete_namespace("shop")
        api.put_namespace("new")
        wait_until(lambda: namespaces.labels("new"))
        assert (namespaces.labels("shop") or {})["team"] == "other"
        clock.now += 61
        api.put_namespace("newer")
        wait_until(lambda: namespaces.labels("newer"))
        assert namespaces.labels("shop") is None
    finally:
        namespaces.stop()


def test_everything_is_listed_anew_when_that_is_asked_for(api: ApiServer, access: ClusterAccess) -> None:
    api.put_namespace("shop")
    namespaces = Namespaces(access, keep_deleted=60.0, refresh=0.05)
    namespaces.start()
    try:
        wait_until(
            lambda: (
                sum(r.path.endswith("namespaces") and r.query.get("limit") == "500" for r in list(api.requests)) >= 3
            )
        )
    finally:
        namespaces.stop()


def test_a_namespace_is_looked_up_by_a_list(api: ApiServer, access: ClusterAccess) -> None:
    api.put_namespace("shop", {"team": "web"})
    namespaces = Namespaces(access, keep_deleted=60.0)
    assert (namespaces.lookup("shop") or {})["team"] == "web"
    assert namespaces.lookup("gone") is None
    assert namespaces.lookup("gone") is None
    asked = [request.query["fieldSelector"] for request in api.requests]
    assert asked == ["metadata.name=shop", "metadata.name=gone"]
    api.faults.fail_next(1, 500)
    with pytest.raises(KubernetesError):
        namespaces.lookup("other")


@pytest.mark.parametrize(
    ("labels", "verdict"), [({"team": "web", "x": "y"}, True), ({"team": "data"}, False), ({}, False), (None, None)]
)
def test_a_filter_wants_every_label(labels: dict[str, str] | None, verdict: bool | None) -> None:
    chosen = NamespaceFilter(FilterSettings({"team": "web"}), lambda name: labels)
    assert chosen.judge(make_event(1)) is verdict


def test_an_empty_selector_matches_every_namespace_even_an_unknown_one() -> None:
    assert NamespaceFilter(FilterSettings(), lambda name: None).judge(make_event(1)) is True


@pytest.mark.parametrize("included", [True, False])
def test_cluster_scoped_objects_have_a_switch_of_their_own(included: bool) -> None:
    node = make_event(1, "default", involvedObject={"kind": "Node", "name": "n"})
    chosen = NamespaceFilter(FilterSettings({"team": "web"}, included), lambda name: {"team": "web"})
    assert chosen.judge(node) is included


def test_pods_are_looked_up_once_and_remembered_for_a_while(api: ApiServer, access: ClusterAccess) -> None:
    clock = Clock()
    api.put_pod("shop", "web-1", uid="u1")
    pods = PodLookup(access, clock)
    here, gone, replaced = PodKey("shop", "web-1", "u1"), PodKey("shop", "web-2"), PodKey("shop", "web-1", "u0")
    try:
        found = pods.get_many([here, gone, replaced, here])
        assert found[gone] is Missing.GONE
        assert found[replaced] is Missing.GONE
        pod = found[here]
        assert isinstance(pod, dict)
        assert "managedFields" not in pod["metadata"]
        asked = len(api.requests)
        pods.get_many([here, gone, replaced])
        assert len(api.requests) == asked
        clock.now += REMEMBER + 1
        pods.get_many([here])
        assert len(api.requests) == asked + 1
    finally:
        pods.close()


def test_a_right_that_is_missing_is_said_with_its_cure(
    api: ApiServer, access: ClusterAccess, caplog: pytest.LogCaptureFixture
) -> None:
    pods = PodLookup(access)
    key = PodKey("shop", "web-1")
    try:
        api.faults.fail_next(1, 403)
        assert pods.get_many([key])[key] is Missing.UNAVAILABLE
    finally:
        pods.close()
    (record,) = [record for record in caplog.records if record.message == "a Pod can't be looked up"]
    assert (record.levelname, "rbac.yaml" in record.__dict__["cure"]) == ("ERROR", True)


def test_a_pod_that_can_not_be_asked_for_is_not_remembered(api: ApiServer, access: ClusterAccess) -> None:
    api.put_pod("shop", "web-1")
    pods = PodLookup(access)
    key = PodKey("shop", "web-1")
    try:
        api.faults.fail_next(1, 500)
        assert pods.get_many([key])[key] is Missing.UNAVAILABLE
        assert isinstance(pods.get_many([key])[key], dict)
    finally:
        pods.close()


def test_many_pods_are_looked_up_side_by_side(api: ApiServer, access: ClusterAccess) -> None:
    """All are asked for although none is answered."""
    pods = PodLookup(access)
    keys = [PodKey("shop", f"web-{number}") for number in range(SIDE_BY_SIDE)]
    api.hang()
    looking = Thread(target=pods.get_many, args=(keys,))
    looking.start()
    try:
        wait_until(lambda: len(api.requests) == SIDE_BY_SIDE)
    finally:
        api.resume()
        looking.join()
        pods.close()


def test_which_events_have_a_pod() -> None:
    assert pod_key_of(make_event(1)) == PodKey("shop", "web-1", "pod-1")
    assert pod_key_of(make_event(1, involvedObject={"kind": "Node", "name": "n"})) is None
    assert pod_key_of({}) is None
