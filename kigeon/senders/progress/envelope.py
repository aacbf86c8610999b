"""The progress of one message's events, and the durable progress of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kigeon.senders.progress.outcome import Outcome


@dataclass(slots=True, eq=False)
class EnvelopeProgress:
    """``count`` events at ``sequence`` of a stream; bit *i* of ``ended`` says that event *i* has ended.

    ``first`` is the offset of the first event; a page of the retry stream has the offset of each in ``offsets``.
    ``stored_at`` is when its oldest event was stored in the queue, seconds since the epoch. In a page of the retry
    stream, ``key`` names what it waits for, ``loaded`` has a bit for each event that was taken into memory, and
    ``waits`` says that more events of it have to be loaded.
    A page that ``is_repeat`` holds events that were sent before and stay booked as sent; ``resent`` of them were sent
    again. ``may_be_late`` says that they may go to a late stream, which can't drop lines that their own stream holds.
    """

    sequence: int
    first: int
    count: int
    ended: int = 0
    offsets: tuple[int, ...] = ()
    stored_at: float = 0.0
    key: str = ""
    loaded: int = 0
    waits: bool = False
    is_repeat: bool = False
    resent: int = 0
    may_be_late: bool = True

    @property
    def is_retry(self) -> bool:
        """Whether it is a message of the retry stream."""
        return bool(self.offsets)

    @property
    def is_done(self) -> bool:
        """Whether every event of it has ended."""
        return self.ended == (1 << self.count) - 1

    @property
    def open_count(self) -> int:
        """How many events of it have not ended."""
        return self.count - self.ended.bit_count()

    @property
    def in_memory(self) -> int:
        """How many events of a page of the retry stream are in memory."""
        return (self.loaded & ~self.ended).bit_count()

    def open_indexes(self) -> Iterator[int]:
        """Yield the index of each event that has not ended."""
        return (index for index in range(self.count) if not self.ended >> index & 1)

    def offset(self, index: int) -> int:
        """Return the offset of the event at *index*."""
        return self.offsets[index] if self.offsets else self.first + index


@dataclass(slots=True)
class Position:
    """The durable part of a ledger: the next envelope to read, the open pages, the counts of outcomes."""

    next_sequence: int = 1
    next_offset: int = 0
    """0 for a new sender, which begins with the oldest event in the queue."""
    first_offset: int = 0
    """The offset with which the sender began; 0 for a new sender."""
    open: list[EnvelopeProgress] = field(default_factory=list)
    retry_sequence: int = 0
    """The highest sequence in the retry stream whose events are booked as moved there."""
    retry: dict[int, int] = field(default_factory=dict)
    """The ended bits of pages of the retry stream, by sequence; only of pages that have any."""
    counts: dict[Outcome, int] = field(default_factory=dict)
    explained: int = 0
    """From which offset on no event has a note of how it ended."""
    resent: int = 0
    """How many events were sent again on an operator's request."""
    doubted: dict[int, int] = field(default_factory=dict)
    """The events in doubt, as bits by chunk, as :mod:`~kigeon.senders.progress.doubts` has them."""
