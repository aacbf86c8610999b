"""The envelopes of which not every event has ended, read in order, with gaps, or again."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.progress.books import Books
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.open_envelopes import OpenEnvelopes
from kigeon.senders.progress.outcome import Outcome


def begun(position: Position | None = None) -> tuple[OpenEnvelopes, Books]:
    books = Books({}, 1)
    return OpenEnvelopes(position or Position(), books), books


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1))
def test_every_offset_is_in_an_envelope_or_counts_as_evicted(steps: list[tuple[int, int]]) -> None:
    envelopes, books = begun()
    offset, read = 1, 0
    for sequence, (gap, count) in enumerate(steps, 1):
        offset += gap
        page = envelopes.admit(sequence, offset, count, 1.0)
        assert page is not None
        assert (page.first, page.count) == (offset, count)
        offset, read = offset + count, read + count
    assert envelopes.open_events == read
    assert envelopes.next_offset == offset
    assert read + books.counts[Outcome.EVICTED] == offset - envelopes.first_offset


def test_the_lowest_open_is_where_the_queue_is_still_needed() -> None:
    envelopes, _ = begun()
    first, second = envelopes.admit(1, 1, 2, 1.0), envelopes.admit(2, 3, 2, 1.0)
    assert first is not None
    assert second is not None
    assert envelopes.lowest_open == 1
    envelopes.close(first)
    assert envelopes.lowest_open == 2
    envelopes.close(second)
    assert (envelopes.lowest_open, envelopes.open_pages) == (3, 0)


def test_what_was_open_when_it_ended_is_read_again_and_nothing_else() -> None:
    envelopes, books = begun(Position(8, 30, 1, [EnvelopeProgress(5, 20, 3, 0b001)]))
    assert envelopes.read_from == 5
    page = envelopes.admit(5, 20, 3, 1.0)
    assert page is not None
    assert list(page.open_indexes()) == [1, 2]
    assert envelopes.admit(6, 23, 3, 1.0) is None
    assert envelopes.admit(8, 30, 1, 1.0) is not None
    assert sum(books.counts.values()) == 0


def test_an_envelope_that_was_to_be_read_again_and_is_gone_counts_as_evicted() -> None:
    envelopes, books = begun(Position(8, 30, 1, [EnvelopeProgress(5, 20, 3, 0b001)]))
    envelopes.admit(8, 30, 1, 1.0)
    assert books.counts[Outcome.EVICTED] == 2


def test_what_an_unreadable_envelope_held_counts_as_parked() -> None:
    envelopes, books = begun()
    envelopes.admit(1, 1, 2, 1.0)
    envelopes.admit_unreadable(2)
    envelopes.admit(3, 7, 1, 1.0)
    assert (books.counts[Outcome.PARKED], books.counts[Outcome.EVICTED]) == (4, 0)
    assert books.notes.take(8) == [(3, 6, "parked", "e2")]


def test_after_a_rewind_known_envelopes_are_found_by_their_offsets() -> None:
    envelopes, books = begun()
    kept = [envelopes.admit(sequence, 10 * sequence, 10, float(sequence)) for sequence in (1, 2, 3)]
    envelopes.rewind()
    assert (envelopes.read_from, envelopes.durable_sequence) == (1, 4)
    assert envelopes.admit(1, 20, 10, 2.0) is None
    assert kept[1] is not None
    assert kept[1].sequence == 1
    assert envelopes.admit(2, 40, 5, 9.0) is not None
    assert (envelopes.durable_sequence, envelopes.open_events) == (3, 35)
    assert sum(books.counts.values()) == 0
