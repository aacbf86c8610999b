"""A list's Events, oldest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.kube import ordering
from kigeon.kube.ordering import CHUNK_BYTES, SLOT, TimeOrderedBuffer
from kigeon.kube.outbox import Received


def received(number: int, size: int = 40) -> Received:
    return Received(number.to_bytes(8), b'{"number":"%d"}'.ljust(size) % number)


def all_of(held: TimeOrderedBuffer) -> list[Received]:
    return [event for chunk in held.take() for event in chunk]


@given(st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from([40, 400, CHUNK_BYTES // 3])), max_size=60))
def test_what_was_added_comes_back_once_and_in_order(added: list[tuple[int, int]]) -> None:
    held = TimeOrderedBuffer()
    events = [received(number, size) for number, (_, size) in enumerate(added)]
    for event, (timestamp, _) in zip(events, added, strict=True):
        held.add(timestamp, event)
    assert held.count == len(events)
    taken = all_of(held)
    assert sorted(taken, key=lambda event: event.digest) == events
    assert (held.count, held.size, all_of(held)) == (0, 0, [])


@given(st.lists(st.integers(0, 2**40), max_size=60))
def test_no_event_comes_before_one_that_is_a_slot_older(slots: list[int]) -> None:
    held = TimeOrderedBuffer()
    for number, slot in enumerate(slots):
        held.add(slot * SLOT + number, received(number))
    taken = [slots[int.from_bytes(event.digest)] for event in all_of(held)]
    assert taken == sorted(slots)


def test_within_a_slot_the_order_of_the_list_stays() -> None:
    held = TimeOrderedBuffer()
    events = [received(number, CHUNK_BYTES // 10) for number in range(95)]
    for event in events:
        held.add(SLOT, event)
    assert all_of(held) == events


def test_most_of_it_is_kept_compressed() -> None:
    held = TimeOrderedBuffer()
    for number in range(10_000):
        held.add(number * SLOT // 1000, received(number, 1000))
    assert held.size < 10_000 * 1000 / 10
    assert held.count == 10_000


def test_it_says_when_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "MAX_HELD_BYTES", 500)
    held = TimeOrderedBuffer()
    while not held.is_full:
        assert held.size < 500
        held.add(0, received(held.count, 100))
    assert held.count == 2
    all_of(held)
    assert not held.is_full
