"""What of a batch is new, against the memory of what was stored and what is on its way to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kigeon.clock import SteadyClock
from kigeon.events.envelope import Envelope, keep
from kigeon.queue.dedup.digests import DigestMemory, integers


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of a batch: ``envelope`` holds the events that are new (None: there are none).

    ``new`` are their indexes in the batch.
    """

    envelope: Envelope | None
    repeated: int
    new: Sequence[int] = ()


class Deduplication:
    """Examines batches. A digest counts as seen from the moment its batch was let through.

    Until the Queue confirms a batch its digests are provisional: :meth:`restart` forgets them, for the next epoch
    is told what the stream really holds.
    """

    def __init__(self, memory: DigestMemory, clock: SteadyClock) -> None:
        self._memory = memory
        self._clock = clock
        self._passing: dict[int, frozenset[int]] = {}

    def examine(self, batch_seq: int, envelope: Envelope) -> Examined:
        """Return what is new in batch *batch_seq*. In one batch, too, an occurrence counts once."""
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
        """Remember the digests of batch *batch_seq* for as long as they have to be."""
        values = self._passing.pop(batch_seq, None)
        if values:
            self._memory.add(values, self._clock.now())

    def restart(self) -> None:
        """Forget what was let through and never confirmed."""
        self._passing.clear()

    def remember(self, digests: bytes, age: float) -> None:
        """Take over digests that the stream holds, stored *age* seconds ago."""
        self._memory.add(integers(digests), self._clock.now() - age)

    @property
    def seconds(self) -> float:
        """For how many seconds what was stored is remembered."""
        return self._memory.seconds

    def remember_for(self, seconds: float) -> None:
        """Remember for so long from now on, never less than at first."""
        self._memory.extend_ttl(seconds)

    def forget(self) -> int:
        """Drop what is old enough; return how many digests went."""
        return self._memory.forget(self._clock.now())

    def __len__(self) -> int:
        return len(self._memory)
