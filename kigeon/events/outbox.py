"""The Watcher's outbox: what was read and is not yet known to be stored, in order, within bounds.

Whatever arrived while the last batch was being stored is the next batch: one event when the cluster is quiet,
hundreds when it is not. At most :data:`WINDOW` batches are out at a time. A batch stays here until it
is stored; a new epoch (somebody on the way was replaced) sends everything out again, in order, under new numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition

from kigeon.events.envelope import Envelope, pack

WINDOW = 2
"""Batches that may be on their way at once: one being stored, one that waits behind it."""

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 1024 * 1024
MAX_WAITING_EVENTS = 2000
MAX_WAITING_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One Event as it was read: its digest, its raw JSON, and the version to resume from after it."""

    digest: bytes
    raw: bytes
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """An envelope on its way: ``number`` counts from 1 in each epoch."""

    epoch: int
    number: int
    envelope: Envelope


class Outbox:
    """Thread-safe: the reading thread offers, the actor takes and confirms.

    ``on_offer`` is called in the reading thread when there is something to take, before it may be held back.
    """

    def __init__(self, on_offer: Callable[[], None] = lambda: None) -> None:
        self._on_offer = on_offer
        self._condition = Condition()
        self._waiting: deque[Received] = deque()
        self._waiting_bytes = 0
        self._out: dict[int, Envelope] = {}
        self._unsent: deque[Envelope] = deque()
        self._epoch = 0
        self._number = 0
        self._open = False
        self._closed = False

    def offer(self, received: Iterable[Received]) -> bool:
        """Append what was read; block while too much waits (the flow control). False once closed."""
        with self._condition:
            for event in received:
                self._waiting.append(event)
                self._waiting_bytes += len(event.raw)
            self._on_offer()
            self._condition.wait_for(lambda: self._closed or not self._is_full())
            return not self._closed

    def connect(self, epoch: int) -> None:
        """Begin an epoch: what was out is to be sent again, first."""
        with self._condition:
            self._unsent.extendleft(reversed(self._out.values()))
            self._out.clear()
            self._epoch, self._number, self._open = epoch, 0, True

    def take(self) -> Batch | None:
        """Return the next batch to send; None when nothing waits or the window is full."""
        with self._condition:
            if not self._open or len(self._out) >= WINDOW:
                return None
            envelope = self._unsent.popleft() if self._unsent else self._cut()
            if envelope is None:
                return None
            self._number += 1
            self._out[self._number] = envelope
            self._condition.notify_all()
            return Batch(self._epoch, self._number, envelope)

    def stored(self, epoch: int, number: int) -> None:
        """Forget a batch that is durable; an answer of an earlier epoch says nothing about this one's numbers."""
        with self._condition:
            if epoch == self._epoch:
                self._out.pop(number, None)
                self._condition.notify_all()

    def close(self) -> None:
        """Accept nothing more; a blocked :meth:`offer` returns. What was accepted can still be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def epoch(self) -> int:
        """The epoch in which batches are taken; 0 before the first."""
        with self._condition:
            return self._epoch

    @property
    def is_empty(self) -> bool:
        """Whether everything that was accepted is stored."""
        with self._condition:
            return not (self._waiting or self._out or self._unsent)

    @property
    def waiting(self) -> int:
        """How many events were read and have not been sent out."""
        with self._condition:
            return len(self._waiting)

    def _is_full(self) -> bool:
        return len(self._waiting) >= MAX_WAITING_EVENTS or self._waiting_bytes >= MAX_WAITING_BYTES

    def _cut(self) -> Envelope | None:
        events: list[Received] = []
        size = 0
        while self._waiting and len(events) < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES:
            event = self._waiting.popleft()
            size += len(event.raw)
            events.append(event)
        if not events:
            return None
        self._waiting_bytes -= size
        digests = b"".join(event.digest for event in events)
        return pack([event.raw for event in events], digests, events[-1].resource_version)
