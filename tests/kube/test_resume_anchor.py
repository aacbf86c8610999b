"""Whether the history that was read goes on: told by the objects that were seen last."""

from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.occurrence import identity_of
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import EventCollector
from kigeon.kube.informer import Informer
from kigeon.kube.outbox import Outbox
from kigeon.kube.resume_anchor import (
    KEPT,
    ResumeAnchor,
    ResumeAnchors,
    anchor_of,
    question_for,
    read_anchor,
    write_anchor,
)
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.processes import wait_until

WORD = st.text("abc123-.", min_size=1).filter(lambda word: word not in (".", ".."))


def seen(name: str, version: str, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": version}}


@given(st.builds(ResumeAnchor, st.one_of(st.just(""), WORD), WORD, WORD, WORD))
def test_a_witness_read_back_is_what_was_written(anchor: ResumeAnchor) -> None:
    assert read_anchor(write_anchor(anchor)) == anchor


@pytest.mark.parametrize("text", ["", "a", "a/b/c", "a//c/d", "a/b/c/", "a/b/c/d/e"])
def test_what_is_no_witness_is_none(text: str) -> None:
    assert read_anchor(text) is None


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": None},
        {"metadata": {"name": "a", "uid": "b"}},
        seen("a b", "1"),
        seen("a", "1", ""),
        seen("a", "/"),
    ],
)
def test_an_object_that_can_not_be_asked_for_is_no_witness(obj: dict[str, Any]) -> None:
    assert anchor_of(obj) is None


def test_it_is_there_only_as_it_was() -> None:
    anchor = ResumeAnchor("shop", "a", "u", "7")
    assert anchor.is_there([seen("b", "7"), seen("a", "7")])
    assert not anchor.is_there([seen("a", "8")])
    assert not anchor.is_there([seen("a", "7", "another")])
    assert not anchor.is_there([])


def test_it_is_asked_for_alone_in_its_namespace() -> None:
    assert question_for(None, "/api/v1/events") == ("/api/v1/events", {"limit": "1"})
    assert question_for(ResumeAnchor("shop", "web.1", "u", "7"), "/apis/group/v1/things") == (
        "/apis/group/v1/namespaces/shop/things",
        {"limit": "1", "fieldSelector": "metadata.name=web.1"},
    )
    assert question_for(ResumeAnchor("", "shop", "u", "7"), "/api/v1/namespaces") == (
        "/api/v1/namespaces",
        {"limit": "1", "fieldSelector": "metadata.name=shop"},
    )


def test_the_latest_is_what_was_seen_last_and_not_deleted() -> None:
    anchors = ResumeAnchors(ResumeAnchor("shop", "z", "u", "1"))
    anchors.changed([("ADDED", seen("a", "2")), ("MODIFIED", seen("b", "3")), ("BOOKMARK", seen("c", "4"))])
    assert anchors.latest == ResumeAnchor("shop", "b", "u", "3")
    anchors.changed([("DELETED", seen("b", "5"))])
    assert anchors.latest == ResumeAnchor("shop", "a", "u", "2")
    anchors.clear()
    assert anchors.latest is None


def test_of_a_list_the_highest_versions_are_kept() -> None:
    anchors = ResumeAnchors()
    anchors.listed(seen(f"a{version}", str(version)) for version in range(90, 120))
    anchors.listed(seen(f"b{version}", str(version)) for version in (5, 999, 1000))
    names = []
    while latest := anchors.latest:
        names.append(latest.name)
        anchors.changed([("DELETED", seen(latest.name, "9999"))])
    assert names == ["b1000", "b999", *(f"a{version}" for version in range(119, 119 - KEPT + 2, -1))]


@pytest.mark.parametrize(("failures", "relists"), [(0, 1), (3, 2)], ids=["at-once", "though-a-list-failed-first"])
def test_a_restored_etcd_that_has_come_past_the_version_is_noticed(tmp_path: Path, failures: int, relists: int) -> None:
    """Back to a few versions, and then on past where the watch was: the version alone would tell nothing.

    A list that fails, of which nothing came, makes nobody forget the object that was seen last.
    """
    outbox = Outbox()
    outbox.connect(1)
    collector = EventCollector(outbox)
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        informer = Informer(access, Resource("/api/v1/events"), collector)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            api.wait_for_watches()
            api.put_events(make_event(number) for number in range(10))
            wait_until(lambda: collector.received == 10)
            with api.store.changed:  # nobody looks in between
                api.restore_etcd(5)
                api.put_events(make_event(number) for number in range(10, 400))
                api.put_events(make_event(number, count=2) for number in range(800))
                api.faults.fail_next(failures, 429, "list")
            wait_until(lambda: collector.received >= 10 + 800, what="a list of everything")
            assert collector.relists == relists
        finally:
            informer.stop()
            thread.join()


def test_a_watch_is_resumed_while_the_last_object_is_there(tmp_path: Path) -> None:
    outbox = Outbox()
    outbox.connect(1)
    collector = EventCollector(outbox)
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        informer = Informer(access, Resource("/api/v1/events"), collector)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            api.wait_for_watches()
            for number in range(4):
                api.put_events([make_event(number)])
                wait_until(lambda number=number: collector.received == number + 1)
                api.faults.end_watches("close" if number % 2 else "drop")
            assert collector.relists == 0
            assert [request.path for request in api.requests if "fieldSelector" in request.query] == [
                "/api/v1/namespaces/shop/events"
            ] * 3
        finally:
            informer.stop()
            thread.join()


def test_what_is_repeated_while_nobody_watches_is_seen_each_time(tmp_path: Path) -> None:
    """The object that was seen last among it: it is not there as it was, and a list shows only what is there now."""
    api = ApiServer()
    seen: set[bytes] = set()

    class Seen(EventCollector):
        def on_list_page(self, items: Any, resource_version: str) -> None:
            seen.update(identity_of(event) for event, _ in items)
            super().on_list_page(items, resource_version)

        def on_events(self, lines: Any) -> None:
            seen.update(identity_of(line.object) for line in lines if line.type != "BOOKMARK")
            super().on_events(lines)

    outbox = Outbox()
    outbox.connect(1)
    collector = Seen(outbox)
    with api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        informer = Informer(access, Resource("/api/v1/events"), collector)
        thread = Thread(target=informer.run)
        thread.start()
        try:
            api.wait_for_watches()
            history = [make_event(1)]
            api.put_events(history)
            wait_until(lambda: collector.received == 1)
            with api.store.changed:  # nobody looks in between
                api.faults.end_watches("drop")
                for count in range(2, 6):
                    history.append(make_event(1, count=count))
                    api.put_events(history[-1:])
            history.append(make_event(2))
            api.put_events(history[-1:])
            wait_until(lambda: seen >= {identity_of(event) for event in history}, what="each occurrence")
        finally:
            informer.stop()
            thread.join()
