"""Hands the Events that the Watcher reads to the outbox, each with its digest and the version to resume from.

On the way, gaps and the lifetime of Events are observed: see :mod:`~kigeon.kube.completeness`. All times are the API
server's, as far as its clock is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

from kigeon.events.fields import mapping, text
from kigeon.events.kind import EventKinds
from kigeon.events.occurrence import identity_at, identity_of, timestamp_of
from kigeon.kube.completeness import Completeness
from kigeon.kube.lifetime import ObservedLifetime
from kigeon.kube.lines import WatchEvent
from kigeon.kube.list_at_hand import ListAtHand
from kigeon.kube.outbox import Outbox
from kigeon.kube.resume_anchor import anchor_of, write_anchor
from kigeon.kube.waiting import Received

SHORTEST_REST = 0.005
"""Seconds below which a rest of the reading thread is not worth waking it up for."""

LONGEST_HOLD = 30.0
"""Seconds without another page of a list after which the Events of its earlier pages are handed on."""


class EventCollector:
    """The handler of the Events' informer. Deleted Events are only counted, since they were seen when they were added.

    ``lifetime`` is for how many seconds the cluster keeps an Event, as configured; ``observed`` is the longer lifetime
    that was observed so far, or 0. The watch was complete up to ``watched_until``; 0 is never. *clock* is the API
    server's, *steady* is monotonic. For ``by_namespace`` see :class:`~kigeon.kube.ordering.ListedEvents`.
    """

    def __init__(
        self,
        outbox: Outbox,
        lifetime: float = 3600.0,
        watched_until: float = 0.0,
        observed: float = 0.0,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        kinds: EventKinds | None = None,
        by_namespace: bool = False,
    ) -> None:
        self._outbox = outbox
        seen = ObservedLifetime(lifetime, observed, steady)
        self.completeness = Completeness(lifetime, watched_until, seen, outbox.note)
        self._clock = clock
        self._kinds = kinds or EventKinds()
        self._lock = Lock()
        self._list = ListAtHand(by_namespace)
        self._paged_at = 0.0
        self.received = 0
        self.deleted = 0
        self.unreadable_count = 0
        self.relists = 0

    def report(self) -> Mapping[str, Any]:
        """Return counts since the start, and the latest gap."""
        return {
            "received": self.received,
            "deleted": self.deleted,
            "unreadable": self.unreadable_count,
            **self.completeness.report(),
        }

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page, and hand on the Events that need not wait for other pages; the last page releases all Events.

        A watch may begin at the list's version only after the list's last Event, which therefore carries the version.
        """
        with self._lock:
            self._paged_at = self._clock()
            for event, raw in items:
                self._list.add(*self._received(event, raw))
            self._list.listed(event for event, _ in items)
            self.completeness.page((event for event, _ in items), self._paged_at)
            if resource_version:
                # The lifetime is settled before the list's last events, so that it becomes durable with them.
                self.completeness.settle()
            is_taken = self._hand_on(resource_version)
        if resource_version and is_taken:
            self._list.begin()
            self.completeness.listed()

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take lines of the watch; Events that were added or modified are handed on."""
        self._note_deleted(lines)
        news = [line for line in lines if line.type in ("ADDED", "MODIFIED")]
        received = [
            Received(identity_of(line.object), line.raw, line.resource_version, kind=self._kinds.of(line.object))
            for line in news
        ]
        if news:
            received[-1] = received[-1]._replace(anchor=write_anchor(anchor_of(news[-1].object)))
        if self._take(received):
            self.completeness.watched(self._clock())

    def rest(self) -> float:
        """Return for how many seconds nobody needs more events, since no batch is due; 0 where it is hardly worth it.

        To wake the reading thread costs more than to read what has come; the connection's buffer holds it meanwhile.
        """
        seconds = self._outbox.unneeded_for()
        return seconds if seconds >= SHORTEST_REST else 0.0

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take lines of the watch beside a list; their Events are handed on among the listed ones, by their time."""
        with self._lock:
            self._note_deleted(lines)
            for line in lines:
                if line.type in ("ADDED", "MODIFIED"):
                    self._list.add_watched(*self._received(line.object, line.raw))
            self._list.changed((line.type, line.object) for line in lines)
            self._hand_on("")

    def on_relist(self, reason: str, resume_from: str) -> None:
        """Count a relist, and begin the list again; the Deduplicator knows which of its Events were seen."""
        self.release()
        self.relists += 1
        self._list.begin(resume_from)
        self.completeness.forget_list()

    def on_backoff(self, seconds: float) -> None:
        """Hand on the Events of a list's earlier pages when the API server stays away for long before the next."""
        if self.completeness.list_began and self._clock() + seconds - self._paged_at > LONGEST_HOLD:
            self.release()

    def release(self) -> None:
        """Hand on the Events that were read of a list which may never end."""
        with self._lock:
            self._take_all(self._list.take())

    def on_unreadable(self, count: int) -> None:
        """Count Events that could not be read."""
        self.unreadable_count += count
        self._outbox.note(unreadable=count)

    def _received(self, event: Mapping[str, Any], raw: bytes) -> tuple[str, int, Received]:
        """Return the namespace of an *event*, when it happened (nanoseconds since the epoch), and the Event itself."""
        timestamp = timestamp_of(event)
        received = Received(identity_at(event, timestamp), raw, kind=self._kinds.of(event))
        return text(mapping(event, "metadata"), "namespace"), timestamp, received

    def _hand_on(self, resource_version: str) -> bool:
        """Hand on Events that may go, all of them at the list's end or when too many are held; False once closed."""
        whole = resource_version or self._list.is_full
        return self._take_all(self._list.take(resource_version) if whole else self._list.ready())

    def _take_all(self, batches: Iterable[Sequence[Received]]) -> bool:
        return all(map(self._take, batches))

    def _note_deleted(self, lines: Iterable[WatchEvent]) -> None:
        deleted = [line.object for line in lines if line.type == "DELETED"]
        self.deleted += len(deleted)
        if deleted:
            self.completeness.deleted(deleted, self._clock())

    def _take(self, received: Sequence[Received]) -> bool:
        """Hand *received* on; return False once the outbox is closed."""
        if not received:
            return True
        self.received += len(received)
        return self._outbox.offer(received)
