"""Finds the new events of a batch, by the memory of events that are stored or on their way to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kigeon.clock import SteadyClock
from kigeon.events.envelope import Envelope, keep
from kigeon.queue.dedup.digests import DigestMemory, integers


@dataclass(frozen=True, slots=True)
class Examined:
    """The result for a batch: ``envelope`` holds its new events (None: there are none).

    ``new`` are their indexes in the batch.
    """

    envelope: Envelope | None
    repeated: int
    new: Sequence[int] = ()


class Deduplication:
    """Examines batches. A digest counts as seen from the moment when its batch was let through.

    Until the Queue confirms a batch its digests are provisional: :meth:`restart` forgets them, because the next epoch
    begins with what the stream really holds.
    """

    def __init__(self, memory: DigestMemory, clock: SteadyClock) -> None:
        self._memory = memory
        self._clock = clock
        self._passing: dict[int, frozenset[int]] = {}

    def examine(self, batch_seq: int, envelope: Envelope) -> Examined:
        """Return the new events of batch *batch_seq*. An occurrence counts once within a batch, too."""
        values = integers(envelope.digests)
        unknown = set(self._memory.missing(values)).difference(*self._passing.values())
        new: dict[int, int] = {}
        for index, value in enumerate(values if unknown else ()):
            if value in unknown:
                new.setdefault(value, index)
        if not new:
            return Examined(None, len(values))
        self._passing[batch_seq] = frozenset(new)
        if len(new) == len(values):
            return Examined(envelope, 0, range(len(values)))
        return Examined(keep(envelope, new.values()), len(values) - len(new), tuple(new.values()))

    def stored(self, batch_seq: int) -> None:
        """Remember the digests of batch *batch_seq*: it is stored."""
        values = self._passing.pop(batch_seq, None)
        if values:
            self._memory.add(values, self._clock.now())

    def restart(self) -> None:
        """Forget the batches that were let through and never confirmed."""
        self._passing.clear()

    def remember(self, digests: bytes, age: float) -> None:
        """Take over digests that the stream holds, stored *age* seconds ago."""
        self._memory.add(integers(digests), self._clock.now() - age)

    @property
    def seconds(self) -> float:
        """For how many seconds the digest of a stored event is remembered."""
        return self._memory.seconds

    def remember_for(self, seconds: float) -> None:
        """Remember digests for *seconds* from now on, never shorter than at first."""
        self._memory.extend_ttl(seconds)

    def forget(self) -> int:
        """Drop the digests that are old enough; return how many."""
        return self._memory.forget(self._clock.now())

    def __len__(self) -> int:
        return len(self._memory)
