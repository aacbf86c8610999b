"""The Watcher's outbox holds the events that were read and are not known to be stored, in order, within bounds.

The cost lies in a batch, not in its events. So the first event after a silence goes at once, and after a batch the
outbox *rests*: the next batch holds the events that arrive within the configured wait, and goes at once when it is
full. Without a wait, the next batch holds the events that arrived while the last one was being stored. At most
:data:`WINDOW` batches are on their way at a time. A batch stays here until it is stored. A new epoch, in which an actor
on the way was replaced, sends all batches again, in order, under new numbers, each with its checkpoint delta.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from threading import Condition, Event
from typing import NamedTuple
from uuid import uuid4

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope, pack
from kigeon.events.kind import UNKNOWN, EventKind
from kigeon.events.summary import EventSummary, summaries

WINDOW = 2
"""Batches that may be on their way at once; while one is being stored, the other waits behind it."""

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 1024 * 1024
MAX_WAITING_EVENTS = 2000
MAX_WAITING_BYTES = 4 * 1024 * 1024

TELL_EVERY = 60.0
"""Seconds after which a checkpoint says that the cluster was watched although no event came."""

NOTHING = WatcherCheckpoint()


@dataclass(slots=True)
class News:
    """The Watcher's news for the next checkpoint delta; ``unreadable`` counts from the Watcher's start."""

    unreadable: int = 0
    watched_until: float = 0.0
    lifetime: float = 0.0


class Received(NamedTuple):
    """One Event as it was read, with its digest, its raw JSON, and the version to resume from after it.

    ``anchor`` names the object that was seen last by then, ``kind`` is the kind under which metrics count the event.
    """

    digest: bytes
    raw: bytes
    resource_version: str = ""
    anchor: str = ""
    kind: EventKind = UNKNOWN


@dataclass(frozen=True, slots=True)
class Batch:
    """An envelope on its way; ``batch_seq`` counts from 1 in each epoch. An empty envelope carries its delta alone.

    ``kinds`` are the kinds of the envelope's events, in order; ``latest`` are summaries of the last events.
    """

    epoch: int
    batch_seq: int
    envelope: Envelope
    delta: CheckpointDelta
    kinds: tuple[EventKind, ...] = field(default=(), repr=False)
    latest: tuple[EventSummary, ...] = field(default=(), repr=False)


Cut = tuple[Envelope, CheckpointDelta, tuple[EventKind, ...], tuple[EventSummary, ...]]
"""A batch without its epoch and ``batch_seq``."""


class Outbox:
    """The reading thread offers events, the actor takes batches and confirms them. Thread-safe.

    ``on_offer`` is called in the reading thread when there are events to take, before the thread may be held back.
    ``wait`` is the seconds, by the *clock*, between two batches that are not full. The outbox calls nobody when the
    wait is over: the actor takes again after :attr:`rest`. ``shown`` is for how many events a batch has summaries.
    """

    def __init__(
        self,
        on_offer: Callable[[], None] = lambda: None,
        wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        shown: int = 0,
    ) -> None:
        self._shown = shown
        self._on_offer = on_offer
        self._wait = wait
        self._clock = clock
        self._rests_until: float | None = None
        self._condition = Condition()
        self._waiting: deque[Received] = deque()
        self._waiting_bytes = 0
        self._out: dict[int, Cut] = {}
        self._unsent: deque[Cut] = deque()
        self._session = uuid4().hex[:12]
        self._cuts = 0
        self._news = News()
        self._told = News()
        self._epoch = 0
        self._number = 0
        self._open = False
        self._closed = False
        self._closing = Event()

    def offer(self, received: Iterable[Received]) -> bool:
        """Append events; block while too many wait, which is the flow control. Return False once closed."""
        with self._condition:
            if self._closed:
                return False
            for event in received:
                self._waiting.append(event)
                self._waiting_bytes += len(event.raw)
            if self._may_cut() and len(self._out) < WINDOW:
                self._on_offer()
            self._condition.wait_for(lambda: self._closed or not self._is_full())
            return not self._closed

    def linger(self, seconds: float) -> None:
        """Hold the reading thread for so many *seconds*, or until the outbox is closed."""
        if seconds > 0:
            self._closing.wait(seconds)

    def note(self, unreadable: int = 0, watched_until: float = 0.0, lifetime: float = 0.0) -> None:
        """Add news to the next batch's :class:`~kigeon.events.checkpoint.CheckpointDelta`."""
        with self._condition:
            self._news.unreadable += unreadable
            self._news.watched_until = max(self._news.watched_until, watched_until)
            self._news.lifetime = lifetime or self._news.lifetime

    def connect(self, epoch: int, settled: WatcherCheckpoint = NOTHING) -> None:
        """Begin an epoch: batches on their way are sent again, first, unless the checkpoint *settled* covers them."""
        with self._condition:
            self._unsent.extendleft(reversed(self._out.values()))
            self._out.clear()
            self._unsent = deque(
                batch for batch in self._unsent if not settled.includes(batch[1].session, batch[1].batch)
            )
            self._epoch, self._number, self._open = epoch, 0, True

    def take(self) -> Batch | None:
        """Return the next batch to send; None when no event waits, the outbox rests, or the window is full."""
        with self._condition:
            if not self._open or len(self._out) >= WINDOW:
                return None
            if self._rest_left() <= 0:
                self._rests_until = None
            batch = self._unsent.popleft() if self._unsent else self._cut()
            if batch is None:
                return None
            self._number += 1
            self._out[self._number] = batch
            self._condition.notify_all()
            return Batch(self._epoch, self._number, *batch)

    def stored(self, epoch: int, batch_seq: int) -> None:
        """Forget a batch that is durable; an answer of an earlier *epoch* is ignored, as its numbers meant others."""
        with self._condition:
            if epoch == self._epoch:
                self._out.pop(batch_seq, None)
                self._condition.notify_all()

    def close(self) -> None:
        """Accept no more events; a blocked :meth:`offer` returns. Accepted events can still be taken."""
        with self._condition:
            self._closed = True
            self._closing.set()
            self._condition.notify_all()

    @property
    def epoch(self) -> int:
        """The epoch in which batches are taken; 0 before the first."""
        with self._condition:
            return self._epoch

    @property
    def is_empty(self) -> bool:
        """Whether all accepted events are stored, and the count of unreadable ones is told."""
        with self._condition:
            untold = self._news.unreadable > self._told.unreadable
            return not (self._waiting or self._out or self._unsent or untold)

    @property
    def rest(self) -> float:
        """Seconds until a batch that is not full may be taken; 0 when it may be taken now."""
        with self._condition:
            return max(self._rest_left(), 0.0)

    def unneeded_for(self, within: float = 0.0) -> float:
        """Return the seconds until a batch of the events from now on may be taken, if they do not fill one earlier.

        Where the waiting events are a batch that is due *within* so many seconds, the batch after that one is meant.
        """
        with self._condition:
            rest = max(self._rest_left(), 0.0)
            return rest + self._wait if 0 < rest <= within and self._waiting else rest

    @property
    def is_due(self) -> bool:
        """Whether a batch is on its way, or may be taken."""
        with self._condition:
            if self._out or self._unsent:
                return True
            return bool(self._waiting) and (self._rest_left() <= 0 or self._may_cut())

    @property
    def pending(self) -> int:
        """The number of events that were accepted and are not known to be stored."""
        with self._condition:
            unsettled = [*self._out.values(), *self._unsent]
            return len(self._waiting) + sum(envelope.count for envelope, *_ in unsettled)

    @property
    def waiting(self) -> int:
        """The number of events that were accepted and not sent out."""
        with self._condition:
            return len(self._waiting)

    def _is_full(self) -> bool:
        return len(self._waiting) >= MAX_WAITING_EVENTS or self._waiting_bytes >= MAX_WAITING_BYTES

    def _rest_left(self) -> float:
        return 0.0 if self._rests_until is None else self._rests_until - self._clock()

    def _may_cut(self) -> bool:
        """Return whether the waiting events may become a batch; a rest is over only once :meth:`take` notes that."""
        is_full = len(self._waiting) >= MAX_BATCH_EVENTS or self._waiting_bytes >= MAX_BATCH_BYTES
        return is_full or self._rests_until is None or self._closed

    def _cut(self) -> Cut | None:
        if not self._may_cut():
            return None
        events: list[Received] = []
        size = 0
        while self._waiting and len(events) < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES:
            event = self._waiting.popleft()
            size += len(event.raw)
            events.append(event)
        if not events and not self._is_worth_telling():
            return None
        self._waiting_bytes -= size
        if self._wait and (events or self._news.unreadable > self._told.unreadable):
            self._rests_until = self._clock() + self._wait
        digests = b"".join(event.digest for event in events)
        version, anchor = (events[-1].resource_version, events[-1].anchor) if events else ("", "")
        kinds = tuple(event.kind for event in events)
        latest = summaries([event.raw for event in events[-self._shown :]]) if self._shown else ()
        return pack([event.raw for event in events], digests, version), self._delta(anchor), kinds, latest

    def _is_worth_telling(self) -> bool:
        """Return whether there is news that should not wait for the next event."""
        news, told = self._news, self._told
        watched = news.watched_until - told.watched_until >= TELL_EVERY
        return watched or news.unreadable > told.unreadable or news.lifetime != told.lifetime

    def _delta(self, anchor: str) -> CheckpointDelta:
        self._cuts += 1
        news, told, self._told = self._news, self._told, replace(self._news)
        unreadable = news.unreadable - told.unreadable
        # While events wait, the watch has come further than the batches that can be stored.
        watched_until = news.watched_until if not self._waiting else 0.0
        return CheckpointDelta(self._session, self._cuts, unreadable, watched_until, news.lifetime, anchor)
