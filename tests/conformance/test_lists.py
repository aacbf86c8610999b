"""Lists that take longer than etcd keeps its history.

``KIGEON_LONG_LIST=500000`` makes it as long as that, and compacts every ten seconds: four minutes.
"""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.lines import WatchEvent
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from tests.conformance.cluster import Cluster
from tests.support.events import make_event
from tests.support.processes import wait_until

EVENTS = int(os.environ.get("KIGEON_LONG_LIST", "16000"))
PACE = 2000.0
"""Events a second that the reader takes."""

COMPACT_EVERY = 10.0 if EVENTS > 100_000 else 1.0


class Reader:
    """Takes a page of 500 in a quarter of a second; counts each Event's occurrences."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self.pages = 0
        self.reasons: list[str] = []
        self.complete = threading.Event()
        self._never = threading.Event()

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        self._never.wait(len(items) / PACE)
        self.pages += 1
        self._take([item for item, _ in items])
        if resource_version:
            self.complete.set()

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        self._take([line.object for line in lines if line.type in ("ADDED", "MODIFIED")])

    on_early_events = on_events

    def on_relist(self, reason: str, resume_from: str) -> None:
        self.reasons.append(reason)

    def on_unreadable(self, count: int) -> None:
        raise AssertionError(count)

    def on_backoff(self, seconds: float) -> None:
        """A token that has expired is no reason to pause."""
        raise AssertionError(seconds)

    def _take(self, events: Sequence[dict[str, Any]]) -> None:
        self.seen.update((event["metadata"]["name"], event["count"]) for event in events)


def name(number: int) -> str:
    return str(make_event(number)["metadata"]["name"])


def test_a_list_ends_although_etcd_compacts_while_it_is_read(cluster: Cluster, tmp_path: Path) -> None:
    """What happens meanwhile, before and after the place that was reached, is told once it happens."""
    cluster.put_namespace("shop")
    cluster.store_events(map(make_event, range(EVENTS)))
    reader = Reader()
    access = ClusterAccess(ClusterSource(cluster.write_kubeconfig(tmp_path / "config")))
    informer = Informer(access, Resource("/api/v1/events"), reader, watches_early=True)
    thread = Thread(target=informer.run)
    thread.start()
    happened: list[int] = []
    try:
        wait_until(lambda: informer.is_watching)
        while not reader.complete.wait(COMPACT_EVERY):
            updates = [make_event(number, count=2 + len(happened)) for number in (0, EVENTS // 2, EVENTS - 1)]
            cluster.store_events([*updates, make_event(EVENTS + len(happened))])
            happened.append(2 + len(happened))
            cluster.compact()
        assert len(happened) >= 3
        wanted = {(name(number), 1) for number in range(EVENTS)}
        wanted |= {(name(EVENTS + index), 1) for index in range(len(happened))}
        wanted |= {(name(number), count) for number in (0, EVENTS // 2, EVENTS - 1) for count in happened}
        # Listed late, an Event shows how it is by then.
        late = {(name(number), 1) for number in (EVENTS // 2, EVENTS - 1)}
        wait_until(lambda: not (wanted - late) - reader.seen.keys(), what="all of it")
        assert reader.reasons == []
        assert informer.report()["lists"] == 1
        assert reader.pages < EVENTS // 500 + 10
        cluster.store_events([make_event(10 * EVENTS)])
        wait_until(lambda: (name(10 * EVENTS), 1) in reader.seen)
    finally:
        informer.stop()
        thread.join()
