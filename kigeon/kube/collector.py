"""What the Watcher reads, on its way into the outbox: each Event with its digest and the version to resume from.

It also notices what a cluster's own expiry does. Events that live longer than configured come back after they are
forgotten: see :mod:`~kigeon.kube.lifetime`. And where the cluster was not watched for longer than its Events live, some
may have come and gone: that is a *gap*. No list shows what is not in it, but one that holds an Event from before the
gap began has lost none from after. All that is told by the API server's clock, as far as it is known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from kigeon.events.fields import mapping, text
from kigeon.events.occurrence import identity_at, identity_of, parse_time, timestamp_of
from kigeon.kube.lifetime import ObservedLifetime
from kigeon.kube.lines import WatchEvent
from kigeon.kube.ordering import TimeOrderedBuffer
from kigeon.kube.outbox import Outbox, Received
from kigeon.kube.reading import ReadingPace
from kigeon.kube.resume_anchor import ResumeAnchors, anchor_of, write_anchor

log = logging.getLogger(__name__)

LONGEST_HOLD = 30.0
"""Seconds without another page of a list after which what was read of it is handed on."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Between these two times (seconds since the epoch) Events may have come and gone unseen."""

    since: float
    until: float


class EventCollector:
    """The handler of the Events' informer. Deleted Events were seen when they were added: they are only counted.

    ``lifetime`` is for how many seconds the cluster keeps an Event, as configured; ``observed`` what was seen of it so
    far, 0 where that is no longer. ``watched_until`` is when nothing was known to be missing, 0: never. *clock* is
    that of the API server, *steady* goes evenly.
    """

    def __init__(
        self,
        outbox: Outbox,
        lifetime: float = 3600.0,
        watched_until: float = 0.0,
        observed: float = 0.0,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._lifetime = lifetime
        self._observed = ObservedLifetime(lifetime, observed, steady)
        self._watched_until = watched_until
        self._clock = clock
        self._lock = Lock()
        self._pace = ReadingPace(steady)
        self._list = TimeOrderedBuffer()
        self._list_began = 0.0
        self._paged_at = 0.0
        self._oldest = ""
        self._listed_witnesses = ResumeAnchors()
        self.received = 0
        self.deleted = 0
        self.unreadable_count = 0
        self.relists = 0
        self.gaps: list[Gap] = []

    def report(self) -> Mapping[str, Any]:
        """Return counts since the start, and the latest gap."""
        gap = self.gaps[-1] if self.gaps else None
        return {
            "received": self.received,
            "deleted": self.deleted,
            "unreadable": self.unreadable_count,
            "gaps": len(self.gaps),
            "lastGap": [_shown(gap.since), _shown(gap.until)] if gap else None,
            "observedLifetime": self._observed.seconds,
        }

    def on_list_page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page. With the last one, all of the list is handed on, oldest first.

        Only after the last Event is the list's version one to resume from.
        """
        with self._lock:
            self._paged_at = self._clock()
            self._list_began = self._list_began or self._paged_at
            for event, raw in items:
                timestamp = timestamp_of(event)
                self._list.add(timestamp, Received(identity_at(event, timestamp), raw))
            self._listed_witnesses.listed(event for event, _ in items)
            self._note_oldest(event for event, _ in items)
            if resource_version:
                # Before its last events: it becomes durable with them.
                self._settle()
            is_taken = self._release(resource_version) if resource_version or self._list.is_full else True
        if resource_version and is_taken:
            self._listed()

    def on_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take what was added or modified."""
        self._note_deleted(lines)
        self._pace.read(sum(len(line.raw) for line in lines))
        news = [line for line in lines if line.type in ("ADDED", "MODIFIED")]
        received = [Received(identity_of(line.object), line.raw, line.resource_version) for line in news]
        if news:
            anchor = write_anchor(anchor_of(news[-1].object))
            received[-1] = Received(received[-1].digest, news[-1].raw, news[-1].resource_version, anchor)
        if self._take(received):
            self._watched(self._clock())

    def rest(self) -> None:
        """Everything that came was read: hold the reading thread while no batch is due."""
        self._outbox.linger(self._pace.rest(self._outbox.rest))

    def on_early_events(self, lines: Sequence[WatchEvent]) -> None:
        """Take what happens while a list goes on: it is handed on with the list, in the order of time."""
        with self._lock:
            self._note_deleted(lines)
            for line in lines:
                if line.type in ("ADDED", "MODIFIED"):
                    timestamp = timestamp_of(line.object)
                    self._list.add(timestamp, Received(identity_at(line.object, timestamp), line.raw))
            self._listed_witnesses.changed((line.type, line.object) for line in lines)
            if self._list.is_full:
                self._release("")

    def on_relist(self, reason: str) -> None:
        """Count it; the Deduplicator knows what of the list was seen."""
        self.release()
        self.relists += 1
        self._forget_list()

    def on_backoff(self, seconds: float) -> None:
        """Hand on what was read of a list when the API server is away for long in the middle of it."""
        if self._list_began and self._clock() + seconds - self._paged_at > LONGEST_HOLD:
            self.release()

    def release(self) -> None:
        """Hand on what was read of a list that may never end."""
        with self._lock:
            self._release("")

    def on_unreadable(self, count: int) -> None:
        """Count it."""
        self.unreadable_count += count
        self._outbox.note(unreadable=count)

    def _release(self, resource_version: str) -> bool:
        chunks = self._list.take()
        last = next(chunks, ())
        for chunk in chunks:
            if not self._take(last):
                return False
            last = chunk
        if last and resource_version:
            end, anchor = last[-1], write_anchor(self._listed_witnesses.latest)
            last = [*last[:-1], Received(end.digest, end.raw, resource_version, anchor)]
        return self._take(last)

    def _note_oldest(self, events: Iterable[Mapping[str, Any]]) -> None:
        aged = _stamp(self._list_began - self._observed.least)
        for event in events:
            # Nothing was written before it was created: most of them need no closer look.
            created = mapping(event, "metadata").get("creationTimestamp")
            if not self._oldest or not isinstance(created, str) or created < max(self._oldest, aged):
                stamp = last_written(event)
                if parse_time(stamp):
                    self._oldest = min(self._oldest or stamp, stamp)
                    self._show(event, stamp, self._list_began)

    def _note_deleted(self, lines: Iterable[WatchEvent]) -> None:
        deleted = [line.object for line in lines if line.type == "DELETED"]
        now = self._clock()
        for event in deleted:
            self._show(event, last_written(event), now)
        self.deleted += len(deleted)
        if deleted:
            self._settle()

    def _show(self, event: Mapping[str, Any], written: str, now: float) -> None:
        """An Event that was *written* then was still there *now*."""
        if at := _seconds(written):
            self._observed.show(text(mapping(event, "metadata"), "uid"), now - at)

    def _take(self, received: Sequence[Received]) -> bool:
        """Hand *received* on; False once nothing more is accepted."""
        if not received:
            return True
        self.received += len(received)
        return self._outbox.offer(received)

    def _listed(self) -> None:
        """A list is complete: see what it tells of the cluster's memory."""
        began, oldest = self._list_began, self._oldest
        self._forget_list()
        since = self._watched_until
        holds_older = bool(oldest) and 0 < _seconds(oldest) <= since
        if since and began - since > max(self._lifetime, self._observed.seconds) and not holds_older:
            # A time that lies in the future tells nothing of the gap's end.
            gap = Gap(since, min(max(_seconds(oldest), since), began) if oldest else began)
            self.gaps.append(gap)
            log.error(
                "Events may be missing: the cluster was not watched for longer than it keeps them",
                extra={"since": _shown(gap.since), "until": _shown(gap.until)},
            )
        self._watched(began)

    def _forget_list(self) -> None:
        self._list_began, self._oldest = 0.0, ""
        self._listed_witnesses.clear()

    def _watched(self, until: float) -> None:
        self._watched_until = max(self._watched_until, until)
        self._outbox.note(watched_until=until)

    def _settle(self) -> None:
        """Have what was observed of the lifetime told, where it has changed."""
        before = self._observed.seconds
        lifetime = self._observed.settle()
        if lifetime is None:
            return
        self._outbox.note(lifetime=lifetime)
        if lifetime < before:
            log.warning(
                "the cluster does not keep Events for as long any more, and they are remembered for less",
                extra={"configured": self._lifetime, "observed": lifetime},
            )
            return
        log.error(
            "the cluster keeps Events for longer than queue.kubernetesEventsMaxLifetime says, and they are remembered "
            "for as long from now on: set it to the API server's --event-ttl",
            extra={"configured": self._lifetime, "observed": lifetime},
        )


def last_written(event: Mapping[str, Any]) -> str:
    """Return the latest time in *event* (RFC 3339, UTC; "" for none): the API server can't have written it earlier."""
    metadata = event.get("metadata")
    fields = metadata.get("managedFields") if isinstance(metadata, dict) else None
    stamps = [
        metadata.get("creationTimestamp") if isinstance(metadata, dict) else None,
        event.get("lastTimestamp"),
        event.get("eventTime"),
        mapping(event, "series").get("lastObservedTime"),
        *((entry.get("time") for entry in fields if isinstance(entry, dict)) if isinstance(fields, list) else ()),
    ]
    return max((stamp for stamp in stamps if isinstance(stamp, str)), default="")


def _seconds(stamp: str) -> float:
    return parse_time(stamp) / 1e9


def _stamp(seconds: float) -> str:
    """Return a time as Kubernetes writes it."""
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
