"""Which batches are stored: those of the epoch, in their order."""

from kigeon.queue.log.protocol import Store
from kigeon.queue.log.turns import Turns


def batch(epoch: int, store_seq: int) -> Store:
    return Store(epoch, store_seq, store_seq, None)


def begun(epoch: int = 1) -> Turns:
    """Return those of an epoch that was announced."""
    turns = Turns()
    turns.begin(epoch)
    assert turns.open(epoch)
    return turns


def test_batches_have_their_turns_in_order() -> None:
    turns = begun()
    assert [turns.is_missing_one(batch(1, seq)) for seq in (1, 2)] == ["", "batch 2 came where 1 was due"]
    turns.stored()
    assert [turns.is_missing_one(batch(1, seq)) for seq in (1, 2)] == ["batch 1 came where 2 was due", ""]


def test_an_epoch_that_another_has_followed_is_not_announced_and_nothing_of_it_is_stored() -> None:
    turns = Turns()
    turns.begin(1)
    turns.begin(2)
    assert [turns.open(epoch) for epoch in (1, 2)] == [False, True]
    assert [turns.is_over_for(batch(epoch, 1)) for epoch in (1, 2)] == [True, False]


def test_one_that_is_announced_again_goes_on_and_another_begins_anew() -> None:
    turns = begun()
    turns.stored()
    assert turns.open(1)
    assert turns.is_missing_one(batch(1, 2)) == ""
    turns.begin(2)
    assert turns.open(2)
    assert turns.is_missing_one(batch(2, 1)) == ""


def test_after_its_end_nothing_is_stored_and_it_may_begin_again() -> None:
    turns = begun()
    turns.stored()
    turns.end()
    assert turns.is_over_for(batch(1, 2))
    turns.begin(1)
    assert turns.open(1)
    assert turns.is_missing_one(batch(1, 1)) == ""
