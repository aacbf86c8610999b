"""The thread that reads the cluster's Events, with an informer and a collector that go on where reading ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.kind import EventKinds
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import EventCollector
from kigeon.kube.event_pages import parse_event_page
from kigeon.kube.informer import Informer
from kigeon.kube.outbox import Outbox
from kigeon.kube.resume_anchor import ResumeAnchor, read_anchor
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.threads import ContextThread

EVENTS = Resource("/api/v1/events", parse=parse_event_page)

HANGS_AFTER = 900.0
"""Seconds without a sign of life after which the reading thread counts as hung, longer than any of its time-outs."""


class ReadingThread:
    """Reads into *outbox* for as long as the process lives.

    ``lifetime`` is for how many seconds the cluster keeps an Event, as configured; ``by_namespace`` says that the order
    of time matters within each namespace alone.
    """

    def __init__(
        self, cluster: ClusterSource, outbox: Outbox, lifetime: float, kinds: EventKinds, by_namespace: bool
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._lifetime = lifetime
        self._kinds = kinds
        self._by_namespace = by_namespace
        self._collector: EventCollector | None = None
        self._access: ClusterAccess | None = None
        self._informer: Informer | None = None
        self._read_at = 0.0

    def begin(self, resource_version: str, checkpoint: WatcherCheckpoint) -> None:
        """Begin to read; only the first call has an effect."""
        if self._collector is not None:
            return
        self._collector = EventCollector(
            self._outbox,
            self._lifetime,
            checkpoint.watched_until,
            checkpoint.lifetime,
            self._time,
            kinds=self._kinds,
            by_namespace=self._by_namespace,
        )
        self._read_at = time.monotonic()
        arguments = (resource_version, read_anchor(checkpoint.anchor), self._collector)
        ContextThread(self._read, arguments, "reader").start()

    def report(self) -> Mapping[str, Any]:
        """Return the reports of informer and collector, as plain data."""
        return {
            **(self._collector.report() if self._collector else {"received": 0}),
            **(self._informer.report() if self._informer else {}),
        }

    def hangs(self) -> bool:
        """Whether the thread hangs; one that waits until its events are stored does not."""
        if self._collector is None or not self._outbox.is_empty:
            self._read_at = time.monotonic()
            return False
        return time.monotonic() - max(self._read_at, self._informer.beat if self._informer else 0.0) > HANGS_AFTER

    def stop(self) -> None:
        """End the reading."""
        if self._informer is not None:
            self._informer.stop()

    def release(self) -> None:
        """Hand on the Events of an unfinished list too; block while too many Events wait."""
        if self._collector is not None:
            self._collector.release()

    def _read(self, resource_version: str, anchor: ResumeAnchor | None, collector: EventCollector) -> None:
        """Read; an unforeseen error ends the process."""
        self._access = ClusterAccess(self._cluster)
        self._informer = Informer(
            self._access, EVENTS, collector, resource_version, anchor=anchor, watches_early=True, rest=collector.rest
        )
        self._informer.run()

    def _time(self) -> float:
        """Return the API server's time, as far as it is known."""
        return time.time() if self._access is None else self._access.server_time()
