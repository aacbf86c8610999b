"""Pods, looked up and remembered."""

from contextlib import closing
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest

from kigeon.errors import KubernetesError
from kigeon.kube import pods as pods_module
from kigeon.kube.access import ClusterAccess
from kigeon.kube.client import SIDE_BY_SIDE
from kigeon.kube.pods import FAILURES, REMEMBER, REMEMBER_FAILURE, Missing, PodKey, PodLookup, pod_key_of
from kigeon.standin.apiserver import ApiServer
from kigeon.standin.faults import Misbehaviour
from kigeon.throttle import MOST_LINES
from tests.support.clock import Clock
from tests.support.events import make_event
from tests.support.paths import ANSWERS
from tests.support.processes import wait_until


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


@pytest.mark.parametrize("key", ["namespace", "name"])
@pytest.mark.parametrize("dots", ["", ".", ".."])
def test_dots_are_no_pod(key: str, dots: str) -> None:
    event = make_event(1)
    assert pod_key_of(event) is not None
    event["involvedObject"][key] = dots
    assert pod_key_of(event) is None


class Refusing:
    """In a ClusterAccess's place: refuses each look-up, all that are under way at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.goes_on = Event()
        self._lock = Lock()

    def ask(self, path: str, query: object, read_timeout: float) -> bytes:
        with self._lock:
            self.asked += 1
        self.goes_on.wait(20)
        raise KubernetesError("forbidden", status=403)


def test_of_a_namespace_that_is_refused_nothing_is_asked_that_was_begun_before() -> None:
    refusing: Any = Refusing()
    keys = [PodKey("shut", f"web-{number}") for number in range(3 * SIDE_BY_SIDE)]
    with closing(PodLookup(refusing, 1e6)) as pods:
        asking = Thread(target=pods.get_many, args=(keys,))
        asking.start()
        wait_until(lambda: len(pods._asked) == len(keys) and refusing.asked == SIDE_BY_SIDE, what="all look-ups")
        refusing.goes_on.set()
        asking.join(20)
        wait_until(lambda: not pods._asked, what="the end of all look-ups")
    assert refusing.asked == SIDE_BY_SIDE
