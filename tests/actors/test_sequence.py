from hypothesis import given
from hypothesis import strategies as st

from actors.sequence import InOrder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8), max_size=8))
def test_items_come_out_once_and_in_order(numbers: list[int], again: list[int]) -> None:
    in_order: InOrder[int] = InOrder()
    found = [item for number in [*numbers, *again] for item in in_order.accept(number, number)]
    assert found == list(range(1, 9))
    assert not in_order.is_missing_one(0.0)


def test_a_gap_that_is_not_filled_is_noticed() -> None:
    clock = Clock()
    in_order: InOrder[str] = InOrder(clock)
    assert in_order.accept(1, "a") == ["a"]
    assert in_order.accept(3, "c") == []
    assert not in_order.is_missing_one(1.0)
    clock.now += 1.0
    assert in_order.is_missing_one(1.0)
    assert in_order.next_due == 2
    assert in_order.accept(2, "b") == ["b", "c"]
    assert not in_order.is_missing_one(0.0)


def test_a_restart_forgets_what_was_held() -> None:
    in_order: InOrder[str] = InOrder()
    in_order.accept(2, "old")
    in_order.restart()
    assert in_order.accept(1, "new") == ["new"]
    assert in_order.next_due == 2
