import time
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from kigeon.config.settings import FilterSettings
from kigeon.kube import pods as pods_module
from kigeon.kube.access import ClusterAccess
from kigeon.kube.client import SIDE_BY_SIDE
from kigeon.kube.namespaces import NamespaceFilter, Namespaces
from kigeon.kube.pace import Pace
from kigeon.kube.pods import FAILURES, REMEMBER, REMEMBER_FAILURE, Missing, PodKey, PodLookup, pod_key_of
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from kigeon.standin.faults import Misbehaviour
from kigeon.throttle import MOST_LINES
from tests.support.events import make_event
from tests.support.paths import ANSWERS
from tests.support.processes import wait_until


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
    assert namespaces.look_up(["shop"])["shop"]["team"] == "web"
    assert namespaces.look_up(["gone", "no,name", ""]) == {"gone": {}, "no,name": {}, "": {}}
    assert namespaces.look_up(["gone"]) == {"gone": {}}
    asked = [request.query["fieldSelector"] for request in api.requests]
    assert asked == ["metadata.name=shop", "metadata.name=gone"]
    api.faults.fail_next(1, 500)
    assert namespaces.look_up(["other"]) == {}


def test_a_namespace_that_is_not_told_of_is_waited_for_once(api: ApiServer, access: ClusterAccess) -> None:
    """And whatever else is asked for after that is answered at once: with nothing, until the pause is over."""
    clock = Clock()
    api.put_namespace("shop", {"team": "web"})
    namespaces = Namespaces(access, keep_deleted=60.0, clock=clock)
    api.faults.always("/api/v1/namespaces", 503)
    assert namespaces.look_up(["shop"], 10.0) == {}
    asked = len(api.requests)
    assert namespaces.look_up([f"n{number}" for number in range(1000)] + ["shop"], 10.0) == {}
    assert len(api.requests) == asked
    api.faults.heal()
    clock.now += 60.0
    assert namespaces.look_up(["shop"], 10.0)["shop"]["team"] == "web"


def test_silence_is_waited_for_in_patience(api: ApiServer, access: ClusterAccess) -> None:
    namespaces = Namespaces(access, keep_deleted=60.0)
    api.faults.always("/api/v1/namespaces", "silence")
    assert namespaces.look_up(["shop"], 0.01) == {}
    began = time.monotonic()
    assert namespaces.look_up(["shop"], 60.0) == {}
    assert time.monotonic() - began < 30.0
    api.faults.heal()


def test_credentials_that_are_refused_are_read_again_for_a_look_up(
    api: ApiServer, access: ClusterAccess, tmp_path: Path
) -> None:
    api.put_namespace("shop", {"team": "web"})
    api.rotate_token()
    api.write_kubeconfig(tmp_path / "config")
    namespaces = Namespaces(access, keep_deleted=60.0)
    assert namespaces.look_up(["shop"], 10.0)["shop"]["team"] == "web"


def test_what_was_known_of_a_namespace_outlives_the_process(api: ApiServer, access: ClusterAccess) -> None:
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("plain", {"team": "old"})
    first = Namespaces(access, keep_deleted=60.0)
    first.start()
    wait_until(lambda: first.labels("shop") and first.labels("plain"))
    first.stop()
    api.delete_namespace("shop")
    api.put_namespace("plain", {"team": "new"})
    second = Namespaces(access, keep_deleted=60.0)
    second.recall(first.record()[1])
    # Nothing of it counts before the cluster was asked what it is now.
    assert second.labels("shop") is None
    found = second.look_up(["shop", "plain"], 10.0)
    assert (found["shop"]["team"], found["plain"]["team"]) == ("web", "new")
    api.faults.always("/api/v1/namespaces", 503)
    third = Namespaces(access, keep_deleted=60.0)
    third.recall(first.record()[1])
    assert third.look_up(["shop"], 10.0)["shop"]["team"] == "web"


@pytest.mark.parametrize(
    ("labels", "verdict"), [({"team": "web", "x": "y"}, True), ({"team": "data"}, False), ({}, False), (None, None)]
)
def test_a_filter_wants_every_label(labels: dict[str, str] | None, verdict: bool | None) -> None:
    chosen = NamespaceFilter(FilterSettings({"team": "web"}), lambda name: labels)
    assert chosen.passes(make_event(1)) is verdict


def test_an_empty_selector_matches_every_namespace_even_an_unknown_one() -> None:
    assert NamespaceFilter(FilterSettings(), lambda name: None).passes(make_event(1)) is True


@pytest.mark.parametrize("included", [True, False])
def test_cluster_scoped_objects_have_a_switch_of_their_own(included: bool) -> None:
    node = make_event(1, "default", involvedObject={"kind": "Node", "name": "n"})
    chosen = NamespaceFilter(FilterSettings({"team": "web"}, included), lambda name: {"team": "web"})
    assert chosen.passes(node) is included


def test_pods_are_looked_up_once_and_remembered_for_a_while(api: ApiServer, access: ClusterAccess) -> None:
    clock = Clock()
    api.put_pod("shop", "web-1", uid="u1")
    pods = PodLookup(access, 1000.0, clock)
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


def test_pods_that_can_not_be_looked_up_are_said_a_few_times(
    api: ApiServer, access: ClusterAccess, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer, although none that helps: no breaker opens, each Pod is asked for."""
    api.faults.always("/api/v1/namespaces/.*/pods/.*", 405)
    with closing(PodLookup(access, 10_000.0)) as pods:
        pods.get_many([PodKey("shop", f"web-{number}") for number in range(100)])
    assert [record.message for record in caplog.records].count("a Pod can't be looked up") == MOST_LINES


def test_namespaces_that_nobody_saw_are_said_a_few_times(
    access: ClusterAccess, caplog: pytest.LogCaptureFixture
) -> None:
    namespaces = Namespaces(access, keep_deleted=60.0)
    names = [f"gone-{number}" for number in range(100)]
    assert namespaces.look_up(names, 20.0) == {name: {} for name in names}
    assert sum("was never seen" in record.message for record in caplog.records) == MOST_LINES


def test_a_static_pod_is_there(api: ApiServer, access: ClusterAccess) -> None:
    """The kubelet's events about it name the hash of its manifest as its uid; the API server's Pod is its mirror."""
    key, other = PodKey("kube-system", "etcd-n1", "5f2a"), PodKey("kube-system", "etcd-n1", "another")
    metadata = {"namespace": "kube-system", "name": "etcd-n1", "annotations": {"kubernetes.io/config.mirror": "5f2a"}}
    api.store.put("pods", [{"metadata": metadata}])
    with closing(PodLookup(access)) as pods:
        found = pods.get_many([key, other])
    assert isinstance(found[key], dict)
    assert found[other] is Missing.GONE


def queries(api: ApiServer) -> list[str]:
    return [request.query.get("resourceVersion", "") for request in api.requests if "/pods/" in request.path]


def test_the_api_servers_cache_is_asked_and_only_etcd_says_that_a_pod_is_gone(
    api: ApiServer, access: ClusterAccess
) -> None:
    api.put_pod("shop", "web-1")
    with closing(PodLookup(access)) as pods:
        pods.get_many([PodKey("shop", "web-1")])
        assert queries(api) == ["0"]
        # The cache lags behind.
        api.faults.fail_next(1, 404, "get")
        api.put_pod("shop", "web-2")
        assert isinstance(pods.get_many([PodKey("shop", "web-2")])[PodKey("shop", "web-2")], dict)
    assert queries(api) == ["0", "0", ""]


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_pod_is_asked_for_twice_within_the_memory_and_none_at_all_while_all_fail(
    api: ApiServer, access: ClusterAccess, monkeypatch: pytest.MonkeyPatch, answer: Misbehaviour
) -> None:
    monkeypatch.setattr(pods_module, "LOOKUP_TIMEOUT", 0.2)
    clock = Clock()
    one, many = PodKey("shop", "web-0"), [PodKey(f"n{number}", "web-1") for number in range(200)]
    api.faults.always("/api/v1/namespaces/.*/pods/.*", answer)
    with closing(PodLookup(access, 10_000.0, clock)) as pods:
        expected = Missing.GONE if answer == 404 else Missing.UNAVAILABLE
        for _ in range(2):
            assert pods.get_many([one]) == {one: expected}
        assert sum("web-0" in request.path for request in list(api.requests)) == 1 + (answer in (401, 404))
        if answer in (404, 405):
            return
        assert set(pods.get_many(many).values()) == {expected}
        assert len(api.requests) <= 2 * (FAILURES + SIDE_BY_SIDE + 1)
        asked = len(api.requests)
        assert set(pods.get_many(many).values()) == {expected}
        assert len(api.requests) == asked
        api.faults.heal()
        api.put_pod("shop", "web-0")
        clock.now += REMEMBER + REMEMBER_FAILURE
        assert isinstance(pods.get_many([one])[one], dict)


def test_retry_after_is_waited_for(api: ApiServer, access: ClusterAccess) -> None:
    clock = Clock()
    api.put_pod("shop", "web-2")
    api.faults.fail_next(1, 429, "get", retry_after=20)
    with closing(PodLookup(access, clock=clock)) as pods:
        pods.get_many([PodKey("shop", "web-1")])
        clock.now += 19.0
        pods.get_many([PodKey("shop", "web-2")])
        assert len(api.requests) == 1
        clock.now += 11.0
        assert isinstance(pods.get_many([PodKey("shop", "web-2")])[PodKey("shop", "web-2")], dict)


def test_one_namespace_whose_pods_must_not_be_read_holds_up_no_other(api: ApiServer, access: ClusterAccess) -> None:
    api.put_pod("open", "web")
    api.faults.always("/api/v1/namespaces/shut/pods/.*", 403)
    with closing(PodLookup(access, 10_000.0)) as pods:
        pods.get_many([PodKey("shut", f"web-{number}") for number in range(100)])
        asked = len(api.requests)
        pods.get_many([PodKey("shut", f"other-{number}") for number in range(100)])
        assert len(api.requests) == asked <= SIDE_BY_SIDE
        assert isinstance(pods.get_many([PodKey("open", "web")])[PodKey("open", "web")], dict)


def test_so_many_look_ups_in_a_second_and_no_more() -> None:
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    pace = Pace(200.0, clock, sleep)
    began = clock.now
    for _ in range(1000):
        pace.wait()
    assert clock.now - began == pytest.approx(999 / 200)
    clock.now += 100.0
    assert pace.wait() == 0.0
    assert pace.wait() == pytest.approx(1 / 200)


def test_credentials_that_are_refused_are_read_again_for_pods(
    api: ApiServer, access: ClusterAccess, tmp_path: Path
) -> None:
    api.put_pod("shop", "web-1")
    api.rotate_token()
    api.write_kubeconfig(tmp_path / "config")
    with closing(PodLookup(access)) as pods:
        assert isinstance(pods.get_many([PodKey("shop", "web-1")])[PodKey("shop", "web-1")], dict)


def test_connections_are_kept_for_all_that_look_up(
    api: ApiServer, access: ClusterAccess, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        api.put_pod("shop", f"web-{number}")
    with closing(PodLookup(access, 10_000.0)) as pods:
        pods.get_many([PodKey("shop", f"web-{number}") for number in range(100)])
    assert "pool is full" not in caplog.text


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
