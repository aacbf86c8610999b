"""The pages of a sender's retry stream: the pages in memory, and the number of events that wait in the others."""

from __future__ import annotations

from collections.abc import Mapping

from kigeon.senders.progress.envelope import EnvelopeProgress


class RetryPages:
    """The pages; they begin with a position's *bits* of ended events, by sequence, and its last booked *sequence*."""

    def __init__(self, bits: Mapping[int, int], sequence: int) -> None:
        self._loaded: dict[int, EnvelopeProgress] = {}
        self._bits = dict(bits)
        self._found: set[int] = set()
        self.open_events = 0
        """How many events wait, in memory or not."""
        self.sequence = sequence
        """The highest sequence whose events are booked as moved there."""

    @property
    def pages(self) -> list[EnvelopeProgress]:
        """The pages in memory."""
        return list(self._loaded.values())

    @property
    def bits(self) -> dict[int, int]:
        """The ended bits of every page that has any, by sequence."""
        loaded = {sequence: page.ended for sequence, page in self._loaded.items() if page.ended}
        return self._bits | loaded

    def restore(self, sequence: int, count: int) -> int | None:
        """Take over a message of the stream; return how many of its *count* events are open.

        None means that the message was never booked and has to be deleted: its events are open where they came from.
        """
        if sequence > self.sequence:
            return None
        if sequence in self._bits:
            self._found.add(sequence)
        waiting = count - self._ended_of(sequence, count).bit_count()
        self.open_events += waiting
        return waiting

    def restored(self) -> None:
        """Note that all messages were taken over; pages that the stream does not hold are forgotten."""
        self._bits = {sequence: self._bits[sequence] for sequence in sorted(self._found)}

    def load(self, page: EnvelopeProgress) -> None:
        """Take a page into memory, with the bits of its ended events."""
        page.ended = self._ended_of(page.sequence, page.count)
        self._bits.pop(page.sequence, None)
        self._loaded[page.sequence] = page

    def unload(self, page: EnvelopeProgress) -> None:
        """Take a page out of memory; only the bits of its ended events are kept."""
        # The page may have been loaded anew since.
        if self._loaded.get(page.sequence) is page:
            del self._loaded[page.sequence]
            if page.ended:
                self._bits[page.sequence] = page.ended

    def loaded(self, sequence: int) -> EnvelopeProgress | None:
        """Return a page that is in memory."""
        return self._loaded.get(sequence)

    def forget(self, sequence: int) -> None:
        """Close a page that was deleted from the stream."""
        self._loaded.pop(sequence, None)
        self._bits.pop(sequence, None)
        self._found.discard(sequence)

    def booked(self, copy: EnvelopeProgress) -> None:
        """Note that events were moved to the retry stream, as *copy*."""
        self.open_events += copy.count
        self.sequence = max(self.sequence, copy.sequence)

    def _ended_of(self, sequence: int, count: int) -> int:
        page = self._loaded.get(sequence)
        bits = page.ended if page is not None else self._bits.get(sequence, 0)
        return bits & ((1 << count) - 1)
