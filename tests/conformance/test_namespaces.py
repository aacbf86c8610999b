"""A namespace filter, while a real cluster's namespaces come and go."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conformance.cluster import Cluster
from tests.conformance.recorder import CoreRecorder
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

ONLY = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
OURS, THEIRS = {"team": "a"}, {"team": "b"}


class NamespacePredicate:
    """Events, and what becomes of each: sent or filtered."""

    def __init__(self, cluster: Cluster, loki: Loki, kigeon: Kigeon) -> None:
        self._cluster = cluster
        self._recorder = CoreRecorder(cluster)
        self._loki = loki
        self._kigeon = kigeon
        self._written = 0
        self._markers = 0
        self.sent: list[Mapping[str, Any]] = []

    def record(self, namespace: str) -> dict[str, Any] | None:
        """Write an Event in *namespace*; return it if it was sent, None if it was filtered."""
        self._written += 1
        return self._fate(self._recorder.record(self._written, namespace))

    def record_late(self, namespace: str) -> dict[str, Any] | None:
        """Have etcd hold another Event in *namespace*, which may be gone; return as :meth:`record` does."""
        self._written += 1
        event = make_event(self._written, namespace)
        self._cluster.store_events([event])
        return self._fate(event)

    def catch_up(self) -> None:
        """Return when kigeon knows every namespace as it is now: they come over one watch, in order.

        While the API server has just come back, a namespace that nobody saw yet may not be found out in time: its
        events are sent then, not filtered on a guess.
        """
        self._markers += 1
        marker = f"marker-{self._markers}"
        self._cluster.put_namespace(marker, THEIRS)
        wait_until(lambda: self.record(marker) is None, what="the labels that a new namespace has")
        self._cluster.put_namespace(marker, OURS)
        wait_until(lambda: self.record(marker), what="the labels that a namespace has now")

    def _fate(self, event: dict[str, Any]) -> dict[str, Any] | None:
        wait_until(self._all_judged, 60, "a judgement")
        if len(self._loki.lines) == len(self.sent):
            return None
        self.sent.append(event)
        return event

    def _all_judged(self) -> bool:
        counts = accounts(self._kigeon)
        return counts.get("sent", 0) + counts.get("filtered", 0) == self._written


def test_namespaces_are_relabelled(cluster: Cluster, loki: Loki, folder: Path) -> None:
    cluster.put_namespace("in", OURS)
    cluster.put_namespace("out", THEIRS)
    with Kigeon(folder, cluster, [loki_sender(loki, filter=ONLY)]) as kigeon:
        passes = NamespacePredicate(cluster, loki, kigeon)
        assert passes.record("in")
        assert not passes.record("out")
        cluster.put_namespace("in", THEIRS)
        cluster.put_namespace("out", OURS)
        passes.catch_up()
        assert not passes.record("in")
        assert passes.record("out")
        cluster.put_namespace("out", {})
        cluster.put_namespace("in", {**OURS, "more": "labels"})
        passes.catch_up()
        assert passes.record("in")
        assert not passes.record("out")
        assert kigeon.stop() == 0
    assert_once(loki.lines, passes.sent)


def test_namespaces_are_deleted_and_made_again(cluster: Cluster, loki: Loki, folder: Path) -> None:
    """A deleted one keeps its last labels: Events of it may still come."""
    cluster.put_namespace("gone", OURS)
    with Kigeon(folder, cluster, [loki_sender(loki, filter=ONLY)]) as kigeon:
        passes = NamespacePredicate(cluster, loki, kigeon)
        assert passes.record("gone")
        cluster.delete_namespace("gone")
        passes.catch_up()
        assert passes.record_late("gone")
        cluster.put_namespace("gone", THEIRS)
        passes.catch_up()
        assert not passes.record("gone")
        cluster.delete_namespace("gone")
        cluster.put_namespace("gone", OURS)
        passes.catch_up()
        assert passes.record("gone")
        cluster.put_namespace("gone", THEIRS)
        passes.catch_up()
        cluster.delete_namespace("gone")
        passes.catch_up()
        assert not passes.record_late("gone")
        assert kigeon.stop() == 0
    assert_once(loki.lines, passes.sent)


def test_namespaces_change_while_the_api_server_or_kigeon_is_away(cluster: Cluster, loki: Loki, folder: Path) -> None:
    """The list after it shows what has become of them."""
    cluster.put_namespace("here", OURS)
    cluster.put_namespace("there", THEIRS)
    with Kigeon(folder, cluster, [loki_sender(loki, filter=ONLY)]) as kigeon:
        passes = NamespacePredicate(cluster, loki, kigeon)
        assert passes.record("here")
        cluster.put_namespace("here", THEIRS)
        cluster.api.end(signal.SIGKILL)
        cluster.api.start()
        cluster.compact()
        cluster.put_namespace("there", OURS)
        passes.catch_up()
        assert not passes.record("here")
        assert passes.record("there")
        kigeon.kill_tree()
        cluster.put_namespace("here", OURS)
        cluster.delete_namespace("there")
        cluster.put_namespace("there", THEIRS)
        kigeon.start()
        assert passes.record("here")
        assert not passes.record("there")
        assert kigeon.stop() == 0
    assert_once(loki.lines, passes.sent)
