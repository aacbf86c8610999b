"""The Watcher's outbox: what was read and is not yet known to be stored, in order, within bounds.

A batch is what costs, not an event in it. So the first event after a silence goes at once, and after a batch the
outbox *rests*: the next batch is whatever arrives within the wait that is configured, and does not wait when full.
Without a wait the next batch is whatever arrived while the last one was being stored. At most
:data:`~kigeon.kube.unsettled.WINDOW` batches are out at a time. A batch stays here until it is stored; a new epoch
(somebody on the way was replaced) sends everything out again, in order, under new numbers. What is told with a batch
(its tally) stays with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition, Event

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope, pack
from kigeon.events.kind import EventKind
from kigeon.events.summary import EventSummary, summaries
from kigeon.kube.unsettled import Cut, Unsettled
from kigeon.kube.untold import Untold
from kigeon.kube.waiting import Received, WaitingEvents

NOTHING = WatcherCheckpoint()


@dataclass(frozen=True, slots=True)
class Batch:
    """An envelope on its way: ``batch_seq`` counts from 1 in each epoch. An empty one is there for its tally.

    ``kinds`` are those of the envelope's events, in order; ``latest`` summaries of its last ones.
    """

    epoch: int
    batch_seq: int
    envelope: Envelope
    delta: CheckpointDelta
    kinds: tuple[EventKind, ...] = field(default=(), repr=False)
    latest: tuple[EventSummary, ...] = field(default=(), repr=False)


class Outbox:
    """Thread-safe: the reading thread offers, the actor takes and confirms.

    ``on_offer`` is called in the reading thread when there is something to take, before it may be held back. ``wait``
    is how many seconds lie between two batches that are not full, by the *clock*. Nobody is called when they are over:
    whoever has taken a batch takes again after :attr:`rest`. ``shown`` is of how many events of a batch a summary goes
    with it.
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
        self._waiting = WaitingEvents()
        self._unsettled = Unsettled()
        self._untold = Untold()
        self._closed = False
        self._closing = Event()

    def offer(self, received: Iterable[Received]) -> bool:
        """Append what was read; block while too much waits (the flow control). False once closed: nothing is taken."""
        with self._condition:
            if self._closed:
                return False
            self._waiting.add(received)
            if self._may_cut() and self._unsettled.has_room:
                self._on_offer()
            self._condition.wait_for(lambda: self._closed or not self._waiting.is_full)
            return not self._closed

    def linger(self, seconds: float) -> None:
        """Hold the reading thread for so long, or until the outbox is closed."""
        if seconds > 0:
            self._closing.wait(seconds)

    def note(self, unreadable: int = 0, watched_until: float = 0.0, lifetime: float = 0.0) -> None:
        """Have this told with the next batch: see :class:`~kigeon.events.checkpoint.CheckpointDelta`."""
        with self._condition:
            self._untold.note(unreadable, watched_until, lifetime)

    def connect(self, epoch: int, settled: WatcherCheckpoint = NOTHING) -> None:
        """Begin an epoch: what was out is to be sent again, first, unless it is *settled* already."""
        with self._condition:
            self._unsettled.begin(epoch, settled)

    def take(self) -> Batch | None:
        """Return the next batch to send; None when nothing waits, the outbox rests, or the window is full."""
        with self._condition:
            if not self._unsettled.epoch or not self._unsettled.has_room:
                return None
            if self._rest_left() <= 0:
                self._rests_until = None
            cut = self._unsettled.take_again() or self._cut()
            if cut is None:
                return None
            number = self._unsettled.send(cut)
            self._condition.notify_all()
            return Batch(self._unsettled.epoch, number, *cut)

    def stored(self, epoch: int, batch_seq: int) -> None:
        """Forget a batch that is durable; an answer of an earlier epoch says nothing about this one's numbers."""
        with self._condition:
            if self._unsettled.stored(epoch, batch_seq):
                self._condition.notify_all()

    def close(self) -> None:
        """Accept nothing more; a blocked :meth:`offer` returns. What was accepted can still be taken."""
        with self._condition:
            self._closed = True
            self._closing.set()
            self._condition.notify_all()

    @property
    def epoch(self) -> int:
        """The epoch in which batches are taken; 0 before the first."""
        with self._condition:
            return self._unsettled.epoch

    @property
    def is_empty(self) -> bool:
        """Whether everything that was accepted is stored, and what could not be read is told."""
        with self._condition:
            return not (self._waiting or self._unsettled or self._untold.is_loss)

    @property
    def rest(self) -> float:
        """Seconds until a batch that is not full may be taken; 0 when it may be taken now."""
        with self._condition:
            return max(self._rest_left(), 0.0)

    def unneeded_for(self, within: float = 0.0) -> float:
        """Return the seconds until a batch may be taken of what is offered from now on, if that does not fill one.

        Where what waits already is a batch that is due *within* so many seconds, it is the one that follows it.
        """
        with self._condition:
            rest = max(self._rest_left(), 0.0)
            return rest + self._wait if 0 < rest <= within and self._waiting else rest

    @property
    def is_due(self) -> bool:
        """Whether something is to be stored, other than what waits for its turn."""
        with self._condition:
            if self._unsettled:
                return True
            return bool(self._waiting) and (self._rest_left() <= 0 or self._may_cut())

    @property
    def pending(self) -> int:
        """How many events were accepted and are not known to be stored."""
        with self._condition:
            return len(self._waiting) + self._unsettled.events

    @property
    def waiting(self) -> int:
        """How many events were read and have not been sent out."""
        with self._condition:
            return len(self._waiting)

    def _rest_left(self) -> float:
        return 0.0 if self._rests_until is None else self._rests_until - self._clock()

    def _may_cut(self) -> bool:
        """Whether what waits may become a batch; until somebody takes after it, a rest is not over."""
        return self._waiting.fills_a_batch or self._rests_until is None or self._closed

    def _cut(self) -> Cut | None:
        if not self._may_cut():
            return None
        events = self._waiting.take_batch()
        if not events and not self._untold.is_worth_telling:
            return None
        if self._wait and (events or self._untold.is_loss):
            self._rests_until = self._clock() + self._wait
        digests = b"".join(event.digest for event in events)
        version, anchor = (events[-1].resource_version, events[-1].anchor) if events else ("", "")
        kinds = tuple(event.kind for event in events)
        latest = summaries([event.raw for event in events[-self._shown :]]) if self._shown else ()
        delta = self._untold.tell(anchor, others_wait=bool(self._waiting))
        return pack([event.raw for event in events], digests, version), delta, kinds, latest
