"""What a sender has in its retry stream: the pages in memory, and of the others how many events wait."""

from __future__ import annotations

from collections.abc import Mapping

from kigeon.senders.progress.envelope import EnvelopeProgress


class RetryPages:
    """Made of a position's *bits* (which events have ended, by sequence) and *sequence*, up to where it is booked."""

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
        """Take over what the stream holds; return how many of its *count* events are open.

        None is for a copy that was never booked. It is to be deleted: its events are open where they came from.
        """
        if sequence > self.sequence:
            return None
        if sequence in self._bits:
            self._found.add(sequence)
        waiting = count - self._ended_of(sequence, count).bit_count()
        self.open_events += waiting
        return waiting

    def restored(self) -> None:
        """Note that all was taken over: what the stream does not hold is forgotten."""
        self._bits = {sequence: self._bits[sequence] for sequence in sorted(self._found)}

    def load(self, page: EnvelopeProgress) -> None:
        """Take a page into memory, with what of it has ended."""
        page.ended = self._ended_of(page.sequence, page.count)
        self._bits.pop(page.sequence, None)
        self._loaded[page.sequence] = page

    def unload(self, page: EnvelopeProgress) -> None:
        """Keep of a page only which of its events have ended."""
        # It may have been loaded anew since.
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
        """Note that events were moved there, as *copy*."""
        self.open_events += copy.count
        self.sequence = max(self.sequence, copy.sequence)

    def _ended_of(self, sequence: int, count: int) -> int:
        page = self._loaded.get(sequence)
        bits = page.ended if page is not None else self._bits.get(sequence, 0)
        return bits & ((1 << count) - 1)
