"""Notes of events that ended otherwise than sent."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.progress.outcome import Notes, Outcome, whole

ENDS = st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(["", "a", "b"])))


@given(ENDS)
def test_each_event_that_was_not_sent_is_noted_once_with_its_reason(ends: list[tuple[Outcome, str]]) -> None:
    notes = Notes(1)
    for offset, (outcome, reason) in enumerate(ends, 1):
        notes.add(offset, offset, outcome, reason)
    taken = notes.take(len(ends) + 1)
    noted = {offset: note[2:] for note in taken for offset in range(note[0], note[1] + 1)}
    assert noted == {offset: end for offset, end in enumerate(ends, 1) if end[0] != Outcome.SENT}
    alike = sum(one[2:] == other[2:] and one[1] + 1 == other[0] for one, other in pairwise(taken))
    assert alike == 0


def test_what_was_taken_is_not_taken_again_and_is_explained() -> None:
    notes = Notes(1)
    notes.add(3, 5, Outcome.EVICTED, "gone")
    assert notes.take(9) == [(3, 5, "evicted", "gone")]
    assert (notes.take(20), notes.explained) == ([], 9)


def test_of_a_range_without_events_nothing_is_noted() -> None:
    notes = Notes(1)
    notes.add(5, 4, Outcome.EVICTED, "gone")
    assert notes.take(9) == []


def test_letters_of_whole_envelopes_are_told_from_those_of_events() -> None:
    assert whole(7) == "e7"
    assert not whole(7).isdigit()
