"""Which epoch it is for the events stream, and which of its batches is due. Pure."""

from __future__ import annotations

from kigeon.queue.log.protocol import Store


class Turns:
    """Begins without an epoch; in each, batches are numbered from 1, without gaps."""

    def __init__(self) -> None:
        self._epoch = 0
        self._opened = 0
        self._next_store_seq = 1

    def begin(self, epoch: int) -> None:
        """Begin an epoch: of earlier ones nothing is stored from now on."""
        self._epoch = epoch

    def open(self, epoch: int) -> bool:
        """Return whether *epoch* is to be announced: it has not been followed by another one."""
        if epoch != self._epoch:
            return False
        if epoch != self._opened:
            self._opened, self._next_store_seq = epoch, 1
        return True

    def is_over_for(self, batch: Store) -> bool:
        """Whether the epoch of *batch* has ended: whoever sent it still has it."""
        return batch.epoch != self._epoch

    def is_missing_one(self, batch: Store) -> str:
        """Return why *batch* can't be stored, where a batch before it was lost; "" where it is its turn."""
        if batch.store_seq == self._next_store_seq:
            return ""
        return f"batch {batch.store_seq} came where {self._next_store_seq} was due"

    def stored(self) -> None:
        """Go on to the next batch."""
        self._next_store_seq += 1

    def end(self) -> None:
        """End the epoch: nothing is stored before another one."""
        self._epoch = self._opened = 0
