"""The set of offsets that are in doubt."""

from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.progress.doubts import MOST_CHUNKS, WIDTH, Doubts

NUMBERS = st.lists(st.integers(1, 3 * WIDTH) | st.integers(10**17, 10**17 + 5), max_size=20)


@given(st.lists(st.tuples(st.booleans(), NUMBERS), max_size=10))
def test_it_is_a_set_also_after_it_was_recorded(steps: list[tuple[bool, list[int]]]) -> None:
    doubts, model = Doubts({}), set[int]()
    for is_added, numbers in steps:
        if is_added:
            doubts.add(numbers)
            model.update(numbers)
        else:
            doubts.discard(numbers)
            model.difference_update(numbers)
        doubts = Doubts(doubts.chunks())
        assert list(doubts) == sorted(model)
        assert len(doubts) == len(model)
        assert all((number in doubts) == (number in model) for number in numbers)
    assert all(doubts.chunks().values())


def test_a_record_has_a_bound_and_holds_the_newest() -> None:
    doubts = Doubts({})
    doubts.add(range(1, (MOST_CHUNKS + 5) * WIDTH, WIDTH))
    assert len(doubts) == MOST_CHUNKS + 5
    assert sorted(doubts.chunks()) == [first * WIDTH for first in range(5, MOST_CHUNKS + 5)]
