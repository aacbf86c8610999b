"""Which events of a message have ended."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.progress.envelope import EnvelopeProgress


@given(st.integers(1, 70), st.data())
def test_what_has_ended_and_what_is_open_are_all(count: int, data: st.DataObject) -> None:
    ended = data.draw(st.sets(st.integers(0, count - 1)))
    page = EnvelopeProgress(9, 100, count, sum(1 << index for index in ended))
    assert set(page.open_indexes()) == set(range(count)) - ended
    assert page.open_count == count - len(ended)
    assert page.is_done is (len(ended) == count)


def test_offsets_of_an_envelope_follow_one_another_and_those_of_a_retry_page_are_its_own() -> None:
    envelope = EnvelopeProgress(9, 100, 3)
    retry = EnvelopeProgress(9, 0, 3, offsets=(7, 90, 8))
    assert [envelope.offset(index) for index in range(3)] == [100, 101, 102]
    assert [retry.offset(index) for index in range(3)] == [7, 90, 8]
    assert (envelope.is_retry, retry.is_retry) == (False, True)


def test_in_memory_is_what_was_loaded_and_has_not_ended() -> None:
    assert EnvelopeProgress(9, 0, 4, ended=0b0101, offsets=(1, 2, 3, 4), loaded=0b0011).in_memory == 1


def test_two_pages_are_never_equal() -> None:
    """They are kept in sets: a stream that was made anew has pages with the same numbers."""
    assert len({EnvelopeProgress(1, 1, 1), EnvelopeProgress(1, 1, 1)}) == 2
