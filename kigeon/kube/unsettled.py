"""The batches that are not known to be stored, on their way or to be sent again in a new epoch. Pure."""

from __future__ import annotations

from collections import deque

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import Envelope
from kigeon.events.kind import EventKind
from kigeon.events.summary import EventSummary

WINDOW = 2
"""Batches that may be on their way at once; while one is being stored, the other waits behind it."""

Cut = tuple[Envelope, CheckpointDelta, tuple[EventKind, ...], tuple[EventSummary, ...]]
"""A batch without its epoch and number."""


class Unsettled:
    """Batches in order, numbered from 1 in each epoch. No batch goes out before the first epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self._number = 0
        self._out: dict[int, Cut] = {}
        self._again: deque[Cut] = deque()

    def __bool__(self) -> bool:
        return bool(self._out or self._again)

    @property
    def events(self) -> int:
        """How many events the batches hold."""
        return sum(envelope.count for envelope, *_ in (*self._out.values(), *self._again))

    @property
    def has_room(self) -> bool:
        """Whether another batch may be on its way."""
        return len(self._out) < WINDOW

    def begin(self, epoch: int, settled: WatcherCheckpoint) -> None:
        """Begin an epoch: batches on their way are sent again, first, unless the checkpoint *settled* covers them."""
        again = [*self._out.values(), *self._again]
        self._out.clear()
        self._again = deque(cut for cut in again if not settled.includes(cut[1].session, cut[1].batch))
        self.epoch, self._number = epoch, 0

    def take_again(self) -> Cut | None:
        """Take the next batch that is to be sent again."""
        return self._again.popleft() if self._again else None

    def send(self, cut: Cut) -> int:
        """Note that *cut* is on its way; return its number."""
        self._number += 1
        self._out[self._number] = cut
        return self._number

    def stored(self, epoch: int, number: int) -> bool:
        """Forget a batch that is durable; False for an answer of an earlier epoch, whose numbers meant others."""
        if epoch == self.epoch:
            self._out.pop(number, None)
        return epoch == self.epoch
