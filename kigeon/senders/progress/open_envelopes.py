"""The open envelopes of the events stream: those whose events have not all ended for the sender.

All events before the lowest open envelope have ended. The offsets tell exactly how many events the queue's retention
evicted before the sender had them. A stream that was made anew or cut short is *rewound*: envelopes that were admitted
before are recognized by their offsets.

Pure: no I/O.
"""

from __future__ import annotations

import math

from kigeon.senders.progress.books import Books
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.outcome import EVICTED_UNREAD, Outcome, whole


class OpenEnvelopes:
    """The open pages of the events stream, beginning with a :class:`Position`; *books* count events evicted unread."""

    def __init__(self, position: Position, books: Books) -> None:
        self._books = books
        self._next_sequence = position.next_sequence
        self._next_offset = position.next_offset
        self._first_offset = position.first_offset
        # Open pages of a stream that was made anew or cut short since, by their first offsets.
        self._old: dict[int, EnvelopeProgress] = {}
        self._rewound_at = 0
        self._newest = math.inf
        self._pages = {page.sequence: page for page in sorted(position.open, key=lambda page: page.sequence)}
        self._unread = set(self._pages.values())
        self._unreadable_before = ""

    @property
    def read_from(self) -> int:
        """The lowest sequence of the events stream that has to be read."""
        unread = [page.sequence for page in self._pages.values() if page in self._unread]
        return min(unread, default=self._next_sequence)

    @property
    def next_sequence(self) -> int:
        """The sequence after the last envelope that was admitted."""
        return self._next_sequence

    @property
    def lowest_open(self) -> int:
        """The lowest sequence with an event that has not ended; the next sequence when there is none."""
        return min(list(self._pages), default=self._next_sequence)

    @property
    def next_offset(self) -> int:
        """The offset after the last event that was admitted."""
        return self._next_offset

    @property
    def open_pages(self) -> int:
        """How many envelopes were read and have events that have not ended or moved."""
        return len(self._pages) + len(self._old) - len(self._unread)

    @property
    def open_events(self) -> int:
        """How many events were read and have not ended or moved."""
        return sum(page.open_count for page in self.pages if page not in self._unread)

    @property
    def first_offset(self) -> int:
        """The offset with which this sender began."""
        return self._first_offset

    @property
    def pages(self) -> list[EnvelopeProgress]:
        """Every page with an event that has not ended: in memory, or to be read again."""
        # The values are copied first, because another thread makes the report.
        return [*list(self._pages.values()), *list(self._old.values())]

    @property
    def durable_sequence(self) -> int:
        """The sequence from which on a later run has to read, apart from the :attr:`durable_pages`."""
        return self._rewound_at or self._next_sequence

    @property
    def durable_pages(self) -> list[EnvelopeProgress]:
        """The open pages that a later run has to know."""
        return self.pages if self._rewound_at else list(self._pages.values())

    def close(self, page: EnvelopeProgress) -> None:
        """Forget a page whose events have all ended or moved."""
        if self._old.get(page.first) is page:
            del self._old[page.first]
        if self._pages.get(page.sequence) is page:
            del self._pages[page.sequence]

    def admit(self, sequence: int, first: int, count: int, stored_at: float) -> EnvelopeProgress | None:
        """Open the envelope at *sequence*; None when all its events have ended.

        A gap in the offsets before it counts as evicted, or as parked where an unreadable envelope lay in the gap.
        """
        self._evict_before(sequence)
        known = self._pages.get(sequence)
        if known is not None and known in self._unread:
            return self._read(known, stored_at)
        if sequence < self._next_sequence:
            return None
        if self._rewound_at and first < self._next_offset and stored_at <= self._newest:
            self._next_sequence = sequence + 1
            return self._find_again(sequence, first, stored_at)
        self._give_up_old()
        if self._next_offset and first > self._next_offset:
            self._skip(self._next_offset, first - 1)
        self._unreadable_before = ""
        if not self._next_offset:
            self._first_offset = first
        elif first < self._next_offset:
            # Offsets went back: events that are booked keep their place before this envelope.
            self._first_offset -= self._next_offset - first
        page = EnvelopeProgress(sequence, first, count, stored_at=stored_at)
        self._next_sequence, self._next_offset, self._newest = sequence + 1, first + count, stored_at
        self._pages[sequence] = page
        return page

    def _read(self, page: EnvelopeProgress, stored_at: float) -> EnvelopeProgress | None:
        self._unread.discard(page)
        page.stored_at = stored_at
        return None if page.is_done else page

    def _find_again(self, sequence: int, first: int, stored_at: float) -> EnvelopeProgress | None:
        """Return the page of an envelope that was admitted before; None when its events are in memory or have ended."""
        page = self._old.pop(first, None)
        if page is None:
            return None
        page.sequence = sequence
        self._pages[sequence] = page
        return self._read(page, stored_at) if page in self._unread else None

    def _give_up_old(self) -> None:
        """Book as evicted the pages that were unread when the stream was rewound and were not found again."""
        self._rewound_at = 0
        for page in [page for page in self._old.values() if page in self._unread]:
            self._evict(self._old.pop(page.first))

    def admit_unreadable(self, sequence: int) -> None:
        """Skip an envelope with unreadable headers: the next envelope's offset tells how many events it held."""
        self._evict_before(sequence)
        known = self._pages.get(sequence)
        if known is not None and known in self._unread:
            self._unread.discard(known)
            self._books.count(Outcome.PARKED, self._pages.pop(sequence).open_count)
            for index in known.open_indexes():
                self._books.notes.add(known.offset(index), known.offset(index), Outcome.PARKED, whole(sequence))
        elif sequence >= self._next_sequence:
            self._next_sequence = sequence + 1
            self._unreadable_before = ",".join(filter(None, (self._unreadable_before, whole(sequence))))

    def rewind(self) -> None:
        """Begin again at the start of a stream that was made anew or cut short, whose sequences have changed.

        Envelopes that were admitted before are recognized by their offsets, up to the first new envelope. Then open
        events that were not read again count as evicted; events in memory go on. (After a crash these are gone too,
        and :meth:`.Ledger.balance` counts them.) Until then the position stays unchanged, so that a crash is followed
        by another rewinding.
        """
        self._rewound_at = self._rewound_at or self._next_sequence
        self._old.update({page.first: page for page in self._pages.values()})
        self._pages.clear()
        self._next_sequence = 1

    def _evict_before(self, sequence: int) -> None:
        for lower in [page.sequence for page in self._pages.values() if page in self._unread]:
            if lower < sequence:
                self._evict(self._pages.pop(lower))

    def _evict(self, page: EnvelopeProgress) -> None:
        self._unread.discard(page)
        self._books.count(Outcome.EVICTED, page.open_count)
        for index in page.open_indexes():
            self._books.notes.add(page.offset(index), page.offset(index), Outcome.EVICTED, EVICTED_UNREAD)

    def _skip(self, first: int, last: int) -> None:
        """Book offsets that no envelope holds any more, or that an unreadable envelope holds."""
        outcome = Outcome.PARKED if self._unreadable_before else Outcome.EVICTED
        self._books.count(outcome, last - first + 1)
        self._books.notes.add(first, last, outcome, self._unreadable_before or EVICTED_UNREAD)
