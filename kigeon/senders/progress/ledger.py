"""A sender's books: which events have ended, and how.

Every event of the queue has an offset, and ends in exactly one :class:`Outcome` for each sender. The ledger
knows the *pages* that are open: an envelope, or a message of the retry stream, with a bit for each event that has
ended (or moved on to the retry stream). All events before the lowest open envelope have ended. The offsets tell exactly
how many events the queue's retention evicted before the sender had them, and show that the books balance:

    the next offset - the first = the counts of all outcomes + open events + events that wait in the retry stream

The ledger also notes how and why events ended that were not sent; these notes are stored before the position. So an
event without a note was sent, as long as its note would still be there. From ``explained`` on no offset has a note yet.

Pure: no I/O. :mod:`kigeon.senders.progress.position` makes it durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kigeon.senders.progress.books import Books
from kigeon.senders.progress.doubts import Doubts
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.open_envelopes import OpenEnvelopes
from kigeon.senders.progress.outcome import GONE_WAITING, REPLAYED, UNKNOWN, Notes, Outcome
from kigeon.senders.progress.retry_pages import RetryPages


class Ledger:
    """The books of one sender, which begin with a :class:`Position`. Not thread-safe."""

    def __init__(self, position: Position) -> None:
        self._books = Books(position.counts, position.explained)
        self.envelopes = OpenEnvelopes(position, self._books)
        self.retry = RetryPages(position.retry, position.retry_sequence)
        self.resent = position.resent
        self.doubts = Doubts(position.doubted)

    @property
    def counts(self) -> dict[Outcome, int]:
        """The number of events by outcome, in all runs."""
        return self._books.counts

    @property
    def ended(self) -> dict[Outcome, int]:
        """The number of events by outcome since this ledger was opened."""
        return self._books.ended

    @property
    def notes(self) -> Notes:
        """Notes of the events that ended without being sent, and why."""
        return self._books.notes

    def lose_retry(self, events: int, outcome: Outcome) -> None:
        """Book events that should wait in the retry stream, and are not there."""
        self.retry.open_events -= events
        self._books.count(outcome, events)

    def balance(self, missing_are: Outcome) -> int:
        """At the start, book the events that are neither open nor ended; return how many.

        There are none, unless a part of the retry stream (or of a stream that was made anew) is gone.
        """
        self.retry.restored()
        known = self.open_everywhere + sum(self.counts.values())
        envelopes = self.envelopes
        missing = max(envelopes.next_offset - envelopes.first_offset - known, 0)
        self._books.count(missing_are, missing)
        if missing:
            self.notes.add(max(envelopes.first_offset, 1), envelopes.next_offset - 1, UNKNOWN, GONE_WAITING)
        return missing

    @property
    def open_everywhere(self) -> int:
        """How many admitted events have not ended: in memory, to be read again, or in the retry stream."""
        return sum(page.open_count for page in self.envelopes.pages) + self.retry.open_events

    def end(self, page: EnvelopeProgress, index: int, outcome: Outcome, reason: str = "") -> None:
        """Book the end of the event at *index* of *page*; an event must not end twice."""
        if page.is_repeat:
            page.ended |= 1 << index
            page.resent += outcome is Outcome.SENT
            self.resent += outcome is Outcome.SENT
            return
        self._set(page, index)
        self._books.count(outcome, 1)
        self.notes.add(page.offset(index), page.offset(index), outcome, reason)

    def is_open(self, offset: int) -> bool:
        """Whether the event with this offset is in memory, or to be read, and has not ended."""
        pages = [*self.envelopes.pages, *self.retry.pages]
        return any(offset == page.offset(index) for page in pages for index in page.open_indexes())

    def evict_sent(self, offsets: Sequence[int], reason: str) -> None:
        """Book events as evicted that were booked as sent, may not be held, and can't be sent again."""
        self._books.count(Outcome.SENT, -len(offsets))
        self._books.count(Outcome.EVICTED, len(offsets))
        self.doubts.discard(offsets)
        for offset in offsets:
            self.notes.add(offset, offset, Outcome.EVICTED, reason)

    def replay(self, copy: EnvelopeProgress, outcome: Outcome = Outcome.PARKED) -> None:
        """Book that events that had ended with *outcome* go on as *copy*, a page of the retry stream."""
        self._books.count(outcome, -copy.count)
        self.doubts.discard(copy.offsets)
        for index in range(copy.count):
            self.notes.add(copy.offset(index), copy.offset(index), REPLAYED, "")
        self.retry.booked(copy)

    def move(self, moved: Iterable[tuple[EnvelopeProgress, int]], copy: EnvelopeProgress) -> None:
        """Book that events of open pages (the retry stream's too) go on as *copy*, a page of the retry stream."""
        for page, index in moved:
            self._set(page, index)
        self.retry.booked(copy)

    def position(self) -> Position:
        """Return the position to make durable now."""
        envelopes = self.envelopes
        return Position(
            envelopes.durable_sequence,
            envelopes.next_offset,
            open=envelopes.durable_pages,
            retry_sequence=self.retry.sequence,
            retry=self.retry.bits,
            counts=dict(self.counts),
            first_offset=envelopes.first_offset,
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
            self.envelopes.close(page)
