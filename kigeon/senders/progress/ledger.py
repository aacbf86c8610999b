"""A sender's books: which event of which envelope has ended, and how.

Every event of the queue has an offset, and ends in exactly one :class:`Outcome` for each sender. The ledger
knows the *pages* that are open: an envelope, or a message of the retry stream, with a bit for each event that has
ended (or moved on to the retry stream). What lies before the lowest open envelope has ended. From the offsets follows
exactly how many events the queue's retention evicted before the sender had them, and that the books balance:

    the next offset - the first = the counts of all outcomes + what is open + what waits in the retry stream

Of what ended otherwise than sent it also notes how and why, to be stored before the position: of an event without such
a note it can be said that it was sent, as long as its note would still be held. From ``explained`` on no offset has a
note yet.

Pure: no I/O. :mod:`kigeon.senders.progress.position` makes it durable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kigeon.senders.progress.doubts import Doubts
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.outcome import EVICTED_UNREAD, GONE_WAITING, REPLAYED, UNKNOWN, Notes, Outcome, whole
from kigeon.senders.progress.retry_pages import RetryPages


class Ledger:
    """The books of one sender, from a :class:`Position` on. Not thread-safe."""

    def __init__(self, position: Position) -> None:
        self._next_sequence = position.next_sequence
        self._next_offset = position.next_offset
        self._first_offset = position.first_offset
        # Open pages of a stream that was made anew or cut short since, by their first offsets.
        self._old: dict[int, EnvelopeProgress] = {}
        self._rewound_at = 0
        self._newest = math.inf
        self._pages = {page.sequence: page for page in sorted(position.open, key=lambda page: page.sequence)}
        self._unread = set(self._pages.values())
        self.retry = RetryPages(position.retry, position.retry_sequence)
        self._unreadable_before = ""
        self.notes = Notes(position.explained)
        self.counts: dict[Outcome, int] = {outcome: position.counts.get(outcome, 0) for outcome in Outcome}
        self.ended: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        """How many events have ended since this ledger was opened; unlike ``counts`` it never goes down."""
        self.resent = position.resent
        self.doubts = Doubts(position.doubted)

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
        # Copied first: a report is made in another thread.
        pages = [*list(self._pages.values()), *list(self._old.values())]
        return sum(page.open_count for page in pages if page not in self._unread)

    def lose_retry(self, events: int, outcome: Outcome) -> None:
        """Book events that should wait in the retry stream, and are not there."""
        self.retry.open_events -= events
        self._count(outcome, events)

    def admit(self, sequence: int, first: int, count: int, stored_at: float) -> EnvelopeProgress | None:
        """Open the envelope at *sequence*; None when all of it has ended.

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
            # Offsets went back: what was booked keeps its place before this envelope.
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
        """Return the page of an envelope that was admitted before; None when it is in memory, or has ended."""
        page = self._old.pop(first, None)
        if page is None:
            return None
        page.sequence = sequence
        self._pages[sequence] = page
        return self._read(page, stored_at) if page in self._unread else None

    def _give_up_old(self) -> None:
        """Book what was open and not read when the stream was rewound, and has not been found in it again."""
        self._rewound_at = 0
        for page in [page for page in self._old.values() if page in self._unread]:
            self._evict(self._old.pop(page.first))

    def admit_unreadable(self, sequence: int) -> None:
        """Pass by an envelope whose headers can't be read: the next one's offset tells how many it held."""
        self._evict_before(sequence)
        known = self._pages.get(sequence)
        if known is not None and known in self._unread:
            self._unread.discard(known)
            self._count(Outcome.PARKED, self._pages.pop(sequence).open_count)
            for index in known.open_indexes():
                self.notes.add(known.offset(index), known.offset(index), Outcome.PARKED, whole(sequence))
        elif sequence >= self._next_sequence:
            self._next_sequence = sequence + 1
            self._unreadable_before = ",".join(filter(None, (self._unreadable_before, whole(sequence))))

    def rewind(self) -> None:
        """Begin again at the start of a stream that was made anew or cut short: its sequences begin anew somewhere.

        What of it was admitted before is known by its offsets, until the first envelope that was not. Then what
        was open and not read again is gone; what is in memory goes on. (After a crash it is gone too: :meth:`balance`
        counts it.) Until then the position stays as it was, for a crash to be followed by another rewinding.
        """
        self._rewound_at = self._rewound_at or self._next_sequence
        self._old.update({page.first: page for page in self._pages.values()})
        self._pages.clear()
        self._next_sequence = 1

    def balance(self, missing_are: Outcome) -> int:
        """Book what is neither open nor ended, at the start; return how many events that are.

        Nothing is, unless a part of the retry stream (or of a stream that was made anew) is gone.
        """
        self.retry.restored()
        known = self.open_everywhere + sum(self.counts.values())
        missing = max(self._next_offset - self._first_offset - known, 0)
        self._count(missing_are, missing)
        if missing:
            self.notes.add(max(self._first_offset, 1), self._next_offset - 1, UNKNOWN, GONE_WAITING)
        return missing

    @property
    def first_offset(self) -> int:
        """The offset with which this sender began."""
        return self._first_offset

    @property
    def open_everywhere(self) -> int:
        """How many admitted events have not ended: in memory, to be read again, or in the retry stream."""
        pages = [*list(self._pages.values()), *list(self._old.values())]
        return sum(page.open_count for page in pages) + self.retry.open_events

    def end(self, page: EnvelopeProgress, index: int, outcome: Outcome, reason: str = "") -> None:
        """Book the end of the event at *index* of *page*; a second end of the same event is a mistake."""
        if page.is_repeat:
            page.ended |= 1 << index
            page.resent += outcome is Outcome.SENT
            self.resent += outcome is Outcome.SENT
            return
        self._set(page, index)
        self._count(outcome, 1)
        self.notes.add(page.offset(index), page.offset(index), outcome, reason)

    def is_open(self, offset: int) -> bool:
        """Whether the event with this offset is in memory, or to be read, and has not ended."""
        pages = [*self._pages.values(), *self._old.values(), *self.retry.pages]
        return any(offset == page.offset(index) for page in pages for index in page.open_indexes())

    def evict_sent(self, offsets: Sequence[int], reason: str) -> None:
        """Book that events that were booked as sent may not be held, and can't be sent again."""
        self._count(Outcome.SENT, -len(offsets))
        self._count(Outcome.EVICTED, len(offsets))
        self.doubts.discard(offsets)
        for offset in offsets:
            self.notes.add(offset, offset, Outcome.EVICTED, reason)

    def replay(self, copy: EnvelopeProgress, outcome: Outcome = Outcome.PARKED) -> None:
        """Book that events which had ended with *outcome* go on as *copy*, a page of the retry stream."""
        self._count(outcome, -copy.count)
        self.doubts.discard(copy.offsets)
        for index in range(copy.count):
            self.notes.add(copy.offset(index), copy.offset(index), REPLAYED, "")
        self.retry.booked(copy)

    def move(self, moved: Iterable[tuple[EnvelopeProgress, int]], copy: EnvelopeProgress) -> None:
        """Book that events of open pages, also of the retry stream, go on as *copy*, a page of the retry stream."""
        for page, index in moved:
            self._set(page, index)
        self.retry.booked(copy)

    def position(self) -> Position:
        """Return what has to be durable now."""
        pages = list(self._pages.values())
        return Position(
            self._rewound_at or self._next_sequence,
            self._next_offset,
            open=[*pages, *self._old.values()] if self._rewound_at else pages,
            retry_sequence=self.retry.sequence,
            retry=self.retry.bits,
            counts=dict(self.counts),
            first_offset=self._first_offset,
            explained=self.notes.explained,
            resent=self.resent,
            doubted=self.doubts.chunks(),
        )

    def _set(self, page: EnvelopeProgress, index: int) -> None:
        bit = 1 << index
        if page.ended & bit:
            raise AssertionError(f"event {page.offset(index)} has ended before")
        page.ended |= bit
        if page.is_retry:
            self.retry.open_events -= 1
        elif page.is_done:
            if self._old.get(page.first) is page:
                del self._old[page.first]
            if self._pages.get(page.sequence) is page:
                del self._pages[page.sequence]

    def _evict_before(self, sequence: int) -> None:
        for lower in [page.sequence for page in self._pages.values() if page in self._unread]:
            if lower < sequence:
                self._evict(self._pages.pop(lower))

    def _evict(self, page: EnvelopeProgress) -> None:
        self._unread.discard(page)
        self._count(Outcome.EVICTED, page.open_count)
        for index in page.open_indexes():
            self.notes.add(page.offset(index), page.offset(index), Outcome.EVICTED, EVICTED_UNREAD)

    def _skip(self, first: int, last: int) -> None:
        """Book offsets that no envelope holds any more, or one that can't be read."""
        outcome = Outcome.PARKED if self._unreadable_before else Outcome.EVICTED
        self._count(outcome, last - first + 1)
        self.notes.add(first, last, outcome, self._unreadable_before or EVICTED_UNREAD)

    def _count(self, outcome: Outcome, events: int) -> None:
        self.counts[outcome] += events
        self.ended[outcome] += max(events, 0)
