"""Which batches are on their way, and which are sent again when an epoch begins."""

from __future__ import annotations

from kigeon.events.checkpoint import CheckpointDelta, WatcherCheckpoint
from kigeon.events.envelope import pack
from kigeon.kube.unsettled import WINDOW, Cut, Unsettled

NOTHING = WatcherCheckpoint()


def cut(number: int, events: int = 1) -> Cut:
    """Return the batch that its session counts as this *number*."""
    return pack([b"{}"] * events, bytes(8 * events), ""), CheckpointDelta("session", number), (), ()


def test_there_is_room_for_so_many_at_once() -> None:
    unsettled = Unsettled()
    unsettled.begin(1, NOTHING)
    assert [unsettled.send(cut(number)) for number in range(1, WINDOW + 1)] == list(range(1, WINDOW + 1))
    assert not unsettled.has_room
    assert not unsettled.stored(0, 1), "an answer of an earlier epoch"
    rooms = [unsettled.has_room]
    assert unsettled.stored(1, 1)
    assert [*rooms, unsettled.has_room] == [False, True]


def test_what_was_out_goes_again_in_order_under_new_numbers() -> None:
    unsettled = Unsettled()
    unsettled.begin(1, NOTHING)
    for number in (1, 2):
        unsettled.send(cut(number, events=3))
    unsettled.begin(2, NOTHING)
    assert unsettled.events == 6
    first = unsettled.take_again()
    assert first is not None
    assert (first[1].batch, unsettled.send(first)) == (1, 1)
    # One that was sent again comes before one that still waits for that.
    unsettled.begin(3, NOTHING)
    again = [unsettled.take_again(), unsettled.take_again()]
    assert [found[1].batch for found in again if found is not None] == [1, 2]
    assert unsettled.take_again() is None
    assert not unsettled


def test_what_is_durable_already_does_not_go_again() -> None:
    unsettled = Unsettled()
    unsettled.begin(1, NOTHING)
    for number in (1, 2):
        unsettled.send(cut(number))
    unsettled.begin(2, NOTHING.after(CheckpointDelta("session", 1), 0))
    found = unsettled.take_again()
    assert found is not None
    assert found[1].batch == 2
    assert unsettled.take_again() is None
