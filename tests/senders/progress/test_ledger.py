import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import UnreadablePosition
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import read_position, write_position

PAGES = st.lists(st.integers(1, 5), min_size=1, max_size=8)
ENDS = (Outcome.SENT, Outcome.FILTERED, Outcome.SKIPPED, Outcome.PARKED)


def started(position: Position | None = None) -> Ledger:
    """Return a ledger that reads from the first event on."""
    return Ledger(position or Position(next_offset=1, first_offset=1))


def restarted(ledger: Ledger) -> Ledger:
    """Return what the next process makes of the position that this one saved."""
    return Ledger(read_position(write_position(ledger.position())))


def total(ledger: Ledger) -> int:
    return sum(ledger.counts.values())


class Books:
    """A ledger that is driven at random, through restarts."""

    def __init__(self, sizes: list[int], data: st.DataObject) -> None:
        firsts = [1 + sum(sizes[:index]) for index in range(len(sizes))]
        self.stream = dict(enumerate(zip(firsts, sizes, strict=True), start=1))
        self.data = data
        self.ledger = started()
        self.pages: dict[int, EnvelopeProgress] = {}
        self.copies: dict[int, EnvelopeProgress] = {}
        self.ended = 0

    def admit(self, sequence: int) -> None:
        page = self.ledger.envelopes.admit(sequence, *self.stream[sequence], stored_at=0.0)
        if page is not None:
            self.pages[sequence] = page

    def act(self) -> None:
        """End or move some of what is open."""
        for page in [*self.pages.values(), *self.copies.values()]:
            for index in [i for i in page.open_indexes() if self.data.draw(st.booleans(), label="act")]:
                if not page.is_retry and self.data.draw(st.booleans(), label="move"):
                    copy = EnvelopeProgress(len(self.copies) + 1, 0, 1, offsets=(page.offset(index),))
                    self.ledger.move([(page, index)], copy)
                    self.ledger.retry.load(copy)
                    self.copies[copy.sequence] = copy
                else:
                    self.ledger.end(page, index, self.data.draw(st.sampled_from(ENDS)))
                    self.ended += 1

    def restart(self, reached: int) -> None:
        self.ledger = restarted(self.ledger)
        copies = [EnvelopeProgress(copy.sequence, 0, 1, offsets=copy.offsets) for copy in self.copies.values()]
        waiting = [self.ledger.retry.restore(copy.sequence, copy.count) for copy in copies]
        assert self.ledger.balance(Outcome.EVICTED) == 0
        assert self.ledger.retry.open_events == sum(filter(None, waiting))
        for copy in copies:
            self.ledger.retry.load(copy)
            if self.data.draw(st.booleans(), label="unload"):
                self.ledger.retry.unload(copy)
                assert self.ledger.retry.loaded(copy.sequence) is None
                self.ledger.retry.load(copy)
        self.copies = {copy.sequence: copy for copy in copies}
        self.pages = {}
        for sequence in range(self.ledger.envelopes.read_from, reached + 1):
            self.admit(sequence)

    def finish(self) -> None:
        """End all that is open."""
        for page in [*self.pages.values(), *self.copies.values()]:
            for index in list(page.open_indexes()):
                self.ledger.end(page, index, Outcome.SENT)


@given(PAGES, st.data())
def test_every_event_ends_in_exactly_one_outcome_through_restarts(sizes: list[int], data: st.DataObject) -> None:
    """Whatever is admitted, ended and moved in whatever order, with restarts in between: the books are exact."""
    books = Books(sizes, data)
    for sequence in books.stream:
        books.admit(sequence)
        books.act()
        if data.draw(st.booleans(), label="restart"):
            books.restart(sequence)
        assert total(books.ledger) == books.ended
        assert balanced(books.ledger)
    books.finish()
    assert total(books.ledger) == sum(sizes)
    assert books.ledger.envelopes.lowest_open == len(sizes) + 1
    assert books.ledger.counts[Outcome.EVICTED] == 0


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 5))
def test_what_retention_evicted_is_counted_by_the_running_numbers(read: int, gone: int, count: int) -> None:
    ledger = started()
    ledger.envelopes.admit(1, 1, read, stored_at=0.0)
    ledger.envelopes.admit(9, 1 + read + gone, count, stored_at=0.0)
    assert ledger.counts[Outcome.EVICTED] == gone


def test_open_events_that_were_evicted_while_nobody_ran_are_counted_too() -> None:
    ledger = started()
    page = ledger.envelopes.admit(1, 1, 4, stored_at=0.0)
    assert page is not None
    ledger.end(page, 2, Outcome.SENT)
    ledger = restarted(ledger)
    ledger.envelopes.admit(7, 11, 1, stored_at=0.0)
    assert ledger.counts[Outcome.EVICTED] == 3 + 6


def test_a_new_sender_begins_with_what_the_queue_still_holds() -> None:
    ledger = Ledger(Position())
    ledger.envelopes.admit(500, 9001, 3, stored_at=0.0)
    assert ledger.counts[Outcome.EVICTED] == 0


def test_an_event_cannot_end_twice() -> None:
    ledger = started()
    page = ledger.envelopes.admit(1, 1, 1, stored_at=0.0)
    assert page is not None
    ledger.end(page, 0, Outcome.SENT)
    with pytest.raises(AssertionError, match="has ended before"):
        ledger.end(page, 0, Outcome.SENT)


def test_an_unreadable_envelope_is_parked_not_evicted() -> None:
    ledger = started()
    ledger.envelopes.admit(1, 1, 2, stored_at=0.0)
    ledger.envelopes.admit_unreadable(2)
    ledger.envelopes.admit(3, 6, 1, stored_at=0.0)
    assert ledger.counts[Outcome.PARKED] == 3
    assert ledger.counts[Outcome.EVICTED] == 0


def test_a_copy_whose_move_was_never_booked_is_not_taken_over() -> None:
    ledger = restarted(started())
    assert ledger.retry.restore(4, 1) is None


def test_a_stream_that_was_made_anew_is_read_from_its_start() -> None:
    ledger = started()
    ledger.envelopes.admit(40, 1, 5, stored_at=0.0)
    ledger = restarted(ledger)
    ledger.envelopes.rewind()
    assert ledger.envelopes.read_from == 1
    assert ledger.envelopes.admit(1, 6, 1, stored_at=0.0) is not None
    assert ledger.counts[Outcome.EVICTED] == 5


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"{}", b'{"format":2}', b'{"format":1,"sequence":0}', b"\xff", write_position(Position())[:-9] + b"}"],
)
def test_a_position_that_cannot_be_read_says_so(record: bytes) -> None:
    with pytest.raises(UnreadablePosition):
        read_position(record)


def test_nothing_stored_is_where_a_new_sender_begins() -> None:
    assert read_position(None) == Position()


def balanced(ledger: Ledger) -> bool:
    """Return whether every number that was given out is accounted for."""
    return ledger.envelopes.next_offset - ledger.envelopes.first_offset == total(ledger) + ledger.open_everywhere


def test_the_books_balance_from_the_first_number_on() -> None:
    ledger = Ledger(Position())
    page = ledger.envelopes.admit(7, 501, 4, 0.0)
    assert page is not None
    ledger.end(page, 0, Outcome.SENT)
    assert ledger.envelopes.first_offset == 501
    assert balanced(ledger)
    again = restarted(ledger)
    assert again.envelopes.first_offset == 501
    assert again.balance(Outcome.EVICTED) == 0


def test_a_page_of_the_retry_stream_that_is_gone_is_booked() -> None:
    ledger = started()
    page = ledger.envelopes.admit(1, 1, 3, 0.0)
    assert page is not None
    ledger.move([(page, 0), (page, 1)], EnvelopeProgress(1, 1, 2, offsets=(1, 2)))
    ledger.end(page, 2, Outcome.SENT)
    again = restarted(ledger)
    assert again.balance(Outcome.PARKED) == 2
    assert (again.counts[Outcome.PARKED], again.counts[Outcome.SENT]) == (2, 1)
    assert balanced(again)


def test_numbers_that_go_back_keep_the_books_balanced() -> None:
    ledger = Ledger(Position())
    for sequence, first in ((1, 101), (2, 61), (3, 64)):
        page = ledger.envelopes.admit(sequence, first, 3, 0.0)
        assert page is not None
        ledger.end(page, 1, Outcome.SENT)
    assert ledger.counts[Outcome.EVICTED] == 0
    assert balanced(ledger)


def test_a_stream_made_anew_has_pages_of_its_own_under_the_same_sequences() -> None:
    ledger = started()
    old = ledger.envelopes.admit(1, 1, 2, 0.0)
    ledger.envelopes.rewind()
    new = ledger.envelopes.admit(1, 3, 2, 0.0)
    assert old is not None
    assert new is not None
    assert (ledger.envelopes.open_pages, ledger.envelopes.open_events) == (2, 4)
    ledger.end(old, 0, Outcome.SENT)
    ledger.end(old, 1, Outcome.SENT)
    assert (ledger.envelopes.open_pages, ledger.envelopes.open_events) == (1, 2)
    assert [page.first for page in ledger.position().open] == [3]
    assert balanced(ledger)


def test_what_was_in_memory_of_a_stream_made_anew_is_gone_after_a_crash_and_booked() -> None:
    ledger = started()
    ledger.envelopes.admit(1, 1, 2, 0.0)
    ledger.envelopes.rewind()
    ledger.envelopes.admit(1, 3, 2, 0.0)
    again = restarted(ledger)
    assert again.balance(Outcome.EVICTED) == 2
    assert balanced(again)


def cut_short() -> tuple[Ledger, list[EnvelopeProgress]]:
    """Return a ledger that admitted four envelopes of two events each and ended those of the first."""
    ledger = started()
    pages = [page for sequence in range(1, 5) if (page := ledger.envelopes.admit(sequence, 2 * sequence - 1, 2, 1.0))]
    for index in range(2):
        ledger.end(pages[0], index, Outcome.SENT)
    return ledger, pages


@pytest.mark.parametrize("crashes", [1, 2])
def test_of_a_stream_that_was_cut_short_only_what_is_open_is_read_again(crashes: int) -> None:
    ledger = cut_short()[0]
    for _ in range(crashes):
        ledger = restarted(ledger)
        ledger.envelopes.rewind()
        assert ledger.envelopes.admit(1, 1, 2, 1.0) is None
    found = ledger.envelopes.admit(2, 3, 2, 1.0)
    assert found is not None
    assert ledger.envelopes.admit(3, 9, 2, 2.0) is not None
    assert ledger.counts == {**dict.fromkeys(Outcome, 0), Outcome.SENT: 2, Outcome.EVICTED: 4}
    for index in range(2):
        ledger.end(found, index, Outcome.SENT)
    assert [page.first for page in ledger.position().open] == [9]
    assert (
        ledger.envelopes.open_pages,
        ledger.envelopes.open_events,
        ledger.envelopes.next_sequence,
        ledger.envelopes.next_offset,
    ) == (1, 2, 4, 11)
    assert balanced(ledger)


def test_what_is_in_memory_of_a_stream_that_was_cut_short_is_not_read_again() -> None:
    ledger, pages = cut_short()
    ledger.envelopes.rewind()
    assert ledger.envelopes.admit(1, 1, 2, 1.0) is None
    assert ledger.envelopes.admit(2, 3, 2, 1.0) is None
    assert ledger.envelopes.admit(3, 9, 2, 2.0) is not None
    assert [page.first for page in ledger.position().open] == [3, 9]
    for page in pages[1:]:
        for index in range(2):
            ledger.end(page, index, Outcome.SENT)
    assert ledger.counts[Outcome.SENT] == 8
    assert (ledger.envelopes.open_pages, ledger.envelopes.open_events) == (1, 2)
    assert balanced(ledger)


def test_the_position_of_a_ledger_that_was_rewound_leads_to_rewinding_it_again() -> None:
    ledger = restarted(cut_short()[0])
    before = ledger.position()
    ledger.envelopes.rewind()
    ledger.envelopes.admit(1, 1, 2, 1.0)
    assert (ledger.position().next_sequence, ledger.position().next_offset) == (5, 9)
    assert {page.first for page in ledger.position().open} == {page.first for page in before.open}


def test_numbers_that_went_back_in_a_stream_that_was_made_anew_are_not_taken_for_known_ones() -> None:
    ledger, _ = cut_short()
    ledger.envelopes.rewind()
    assert ledger.envelopes.admit(1, 5, 2, stored_at=2.0) is not None
    assert ledger.envelopes.next_offset == 7
    assert balanced(ledger)


def test_what_ends_otherwise_than_sent_is_noted_and_until_where_that_is_so() -> None:
    """From ``explained`` on no number has a note: that is what makes a missing note a proof."""
    ledger = Ledger(Position())
    page = ledger.envelopes.admit(1, 11, 4, 0.0)
    assert page is not None
    ledger.end(page, 0, Outcome.SENT)
    assert (ledger.notes.take(ledger.envelopes.next_offset), ledger.notes.explained) == ([], 0)
    ledger.end(page, 1, Outcome.PARKED)
    ledger.end(page, 2, Outcome.PARKED)
    ledger.end(page, 3, Outcome.FILTERED, "the namespace filter")
    assert ledger.notes.take(ledger.envelopes.next_offset) == [
        (12, 13, "parked", ""),
        (14, 14, "filtered", "the namespace filter"),
    ]
    assert ledger.notes.explained == ledger.position().explained == 15
    ledger.replay(EnvelopeProgress(1, 12, 1, offsets=(12,)))
    assert (ledger.notes.take(ledger.envelopes.next_offset), ledger.notes.explained) == ([(12, 12, "replayed", "")], 15)


def test_events_of_envelopes_that_can_not_be_read_are_noted_with_their_letters() -> None:
    ledger = Ledger(Position())
    ledger.envelopes.admit(1, 1, 2, 0.0)
    ledger.envelopes.admit_unreadable(2)
    ledger.envelopes.admit_unreadable(3)
    ledger.envelopes.admit(4, 9, 1, 0.0)
    again = Ledger(ledger.position())
    again.envelopes.admit_unreadable(1)
    assert ledger.notes.take(ledger.envelopes.next_offset) == [(3, 8, "parked", "e2,e3")]
    assert again.notes.take(again.envelopes.next_offset) == [(1, 2, "parked", "e1")]


def test_where_it_is_not_known_which_events_are_gone_that_is_noted_of_all() -> None:
    ledger = Ledger(Position(next_sequence=3, next_offset=9, first_offset=2, counts={Outcome.SENT: 4}))
    assert ledger.balance(Outcome.EVICTED) == 3
    ((first, last, outcome, _),) = ledger.notes.take(ledger.envelopes.next_offset)
    assert (first, last, outcome) == (2, 8, "unknown")
