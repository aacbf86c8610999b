"""The labels of namespaces, followed and looked up."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from kigeon.config.settings import FilterSettings
from kigeon.kube.access import ClusterAccess
from kigeon.kube.client import SIDE_BY_SIDE
from kigeon.kube.namespaces import NamespaceFilter, Namespaces
from kigeon.kube.pods import PodKey, PodLookup
from kigeon.standin.apiserver import ApiServer
from kigeon.throttle import MOST_LINES
from tests.support.clock import Clock
from tests.support.events import make_event
from tests.support.processes import wait_until


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


def test_namespaces_that_nobody_saw_are_said_a_few_times(
    access: ClusterAccess, caplog: pytest.LogCaptureFixture
) -> None:
    namespaces = Namespaces(access, keep_deleted=60.0)
    names = [f"gone-{number}" for number in range(100)]
    assert namespaces.look_up(names, 20.0) == {name: {} for name in names}
    assert sum("was never seen" in record.message for record in caplog.records) == MOST_LINES


def test_one_namespace_whose_pods_must_not_be_read_holds_up_no_other(api: ApiServer, access: ClusterAccess) -> None:
    api.put_pod("open", "web")
    api.faults.always("/api/v1/namespaces/shut/pods/.*", 403)
    with closing(PodLookup(access, 10_000.0)) as pods:
        pods.get_many([PodKey("shut", f"web-{number}") for number in range(100)])
        asked = len(api.requests)
        pods.get_many([PodKey("shut", f"other-{number}") for number in range(100)])
        assert len(api.requests) == asked <= SIDE_BY_SIDE
        assert isinstance(pods.get_many([PodKey("open", "web")])[PodKey("open", "web")], dict)
