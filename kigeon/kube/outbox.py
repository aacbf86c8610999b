"""The Watcher's outbox holds the events that were read and are not known to be stored, in order, within bounds.

The cost lies in a batch, not in its events. So the first event after a silence goes at once, and after a batch the
outbox *rests*: the next batch holds the events that arrive within the configured wait, and goes at once when it is
full. Without a wait, the next batch holds the events that arrived while the last one was being stored. At most
:data:`~kigeon.kube.unsettled.WINDOW` batches are on their way at a time. A batch stays here until it is stored. A new
epoch, in which an actor on the way was replaced, sends all batches again, in order, under new numbers, each with its
checkpoint delta.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope, pack
from kigeon.events.kind import EventKind
from kigeon.events.summary import EventSummary, summaries
from kigeon.kube.unsettled import Cut, Unsettled
from kigeon.kube.untold import Untold
from kigeon.kube.waiting import Received, WaitingEvents

NOTHING = WatcherCheckpoint()

EARLY = 0.005
"""Seconds by which a batch may be taken before it is due: the reading thread, whose events it waits for, wakes then."""


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


class Outbox:
    """The reading thread offers events, the actor takes batches and confirms them. Thread-safe.

    ``on_offer`` is called in the reading thread when there are events to take, before the thread may be held back.
    ``wait`` is the seconds, by the *clock*, between two batches that are not full. Events that were offered before the
    wait is over are for the actor to take after :attr:`rest`. ``shown`` is for how many events a batch has summaries.
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
        self._rests_until = -math.inf
        self._condition = Condition()
        self._waiting = WaitingEvents()
        self._unsettled = Unsettled()
        self._untold = Untold()
        self._closed = False

    def offer(self, received: Iterable[Received]) -> bool:
        """Append events; block while too many wait, which is the flow control. Return False once closed."""
        with self._condition:
            if self._closed:
                return False
            self._waiting.add(received)
            if self._may_cut() and self._unsettled.has_room:
                self._on_offer()
            self._condition.wait_for(lambda: self._closed or not self._waiting.is_full)
            return not self._closed

    def note(self, unreadable: int = 0, watched_until: float = 0.0, lifetime: float = 0.0) -> None:
        """Add news to the next batch's :class:`~kigeon.events.checkpoint.CheckpointDelta`."""
        with self._condition:
            self._untold.note(unreadable, watched_until, lifetime)

    def connect(self, epoch: int, settled: WatcherCheckpoint = NOTHING) -> None:
        """Begin an epoch: batches on their way are sent again, first, unless the checkpoint *settled* covers them."""
        with self._condition:
            self._unsettled.begin(epoch, settled)

    def take(self) -> Batch | None:
        """Return the next batch to send; None when no event waits, the outbox rests, or the window is full."""
        with self._condition:
            if not self._unsettled.epoch or not self._unsettled.has_room:
                return None
            cut = self._unsettled.take_again() or self._cut()
            if cut is None:
                return None
            number = self._unsettled.send(cut)
            self._condition.notify_all()
            return Batch(self._unsettled.epoch, number, *cut)

    def stored(self, epoch: int, batch_seq: int) -> None:
        """Forget a batch that is durable; an answer of an earlier *epoch* is ignored, as its numbers meant others."""
        with self._condition:
            if self._unsettled.stored(epoch, batch_seq):
                self._condition.notify_all()

    def close(self) -> None:
        """Accept no more events; a blocked :meth:`offer` returns. Accepted events can still be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def epoch(self) -> int:
        """The epoch in which batches are taken; 0 before the first."""
        with self._condition:
            return self._unsettled.epoch

    @property
    def is_empty(self) -> bool:
        """Whether all accepted events are stored, and the count of unreadable ones is told."""
        with self._condition:
            return not (self._waiting or self._unsettled or self._untold.is_loss)

    @property
    def rest(self) -> float:
        """Seconds until a batch that is not full may be taken; 0 when it may be taken now."""
        with self._condition:
            return max(self._rest_left(), 0.0)

    def unneeded_for(self) -> float:
        """Return the seconds until a batch of the events from now on is due, if they do not fill one earlier.

        Where the waiting events may be taken now, the batch after that one is meant.
        """
        with self._condition:
            left = max(self._rest_left(), 0.0)
            return left + self._wait if left <= EARLY and self._waiting else left

    @property
    def is_due(self) -> bool:
        """Whether a batch is on its way, or may be taken."""
        with self._condition:
            if self._unsettled:
                return True
            return bool(self._waiting) and self._may_cut()

    @property
    def pending(self) -> int:
        """The number of events that were accepted and are not known to be stored."""
        with self._condition:
            return len(self._waiting) + self._unsettled.events

    @property
    def waiting(self) -> int:
        """The number of events that were accepted and not sent out."""
        with self._condition:
            return len(self._waiting)

    def _rest_left(self) -> float:
        return self._rests_until - self._clock()

    def _may_cut(self) -> bool:
        """Return whether the waiting events may become a batch."""
        return self._waiting.fills_a_batch or self._rest_left() <= EARLY or self._closed

    def _cut(self) -> Cut | None:
        if not self._may_cut():
            return None
        events = self._waiting.take_batch()
        if not events and not self._untold.is_worth_telling:
            return None
        if self._wait and (events or self._untold.is_loss):
            # A batch that was taken a little early is no reason for the next one to come earlier.
            left = self._rest_left()
            self._rests_until = self._clock() + self._wait + (left if 0 < left <= EARLY else 0.0)
        digests = b"".join(event.digest for event in events)
        version, anchor = (events[-1].resource_version, events[-1].anchor) if events else ("", "")
        kinds = tuple(event.kind for event in events)
        latest = summaries([event.raw for event in events[-self._shown :]]) if self._shown else ()
        delta = self._untold.tell(anchor, others_wait=bool(self._waiting))
        return pack([event.raw for event in events], digests, version), delta, kinds, latest
