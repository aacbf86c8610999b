"""A list's Events, oldest first."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.kube import ordering
from kigeon.kube.ordering import CHUNK_BYTES, LOOSE_BYTES, SLOT, ListedEvents, TimeOrderedBuffer, in_batches
from kigeon.kube.waiting import Received


@pytest.fixture(params=[0, LOOSE_BYTES], ids=["compressed", "loose"], autouse=True, scope="module")
def _loose(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have everything tried with what is compressed, and with what is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "LOOSE_BYTES", request.param)
        yield


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
    assert held.size < 10_000 * 1000 / 10 + ordering.LOOSE_BYTES
    assert held.count == 10_000


def test_the_few_of_a_namespace_are_not_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """That costs more than all the rest of holding them."""
    monkeypatch.setattr(ordering, "LOOSE_BYTES", LOOSE_BYTES)
    monkeypatch.setattr(ordering, "pack", None)
    held = TimeOrderedBuffer()
    for _ in range(3):
        for number in range(LOOSE_BYTES // 1300):
            held.add(SLOT, received(number, 1000))
        assert len(all_of(held)) == LOOSE_BYTES // 1300


def test_it_says_when_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "MAX_HELD_BYTES", 500)
    held = ListedEvents(by_namespace=True)
    for number in range(2):
        assert not held.is_full
        held.add("shop", number * SLOT, received(number, 100))
    assert held.is_full
    assert len(list(held.take())) == 2
    assert not held.is_full


LISTS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.booleans()), max_size=60)
"""Events by namespace and slot of time, and whether they were watched beside the list."""


def handed_on(events: list[tuple[str, int, bool]], by_namespace: bool) -> list[list[int]]:
    """Return the numbers of *events* as they are handed on: a part after each of them, and the rest at the end."""
    held, parts = ListedEvents(by_namespace), []
    for number, (namespace, slot, is_watched) in enumerate(events):
        (held.add_watched if is_watched else held.add)(namespace, slot * SLOT, received(number))
        parts.append(list(held.ready()))
    parts.append(list(held.take()))
    assert list(held.take()) == []
    return [[int.from_bytes(event.digest) for chunk in part for event in chunk] for part in parts]


def in_the_order_of_a_list(events: list[tuple[str, int, bool]]) -> list[tuple[str, int, bool]]:
    """Put what is listed in the order of namespaces, and leave what is watched in its place."""
    listed = iter(sorted((event for event in events if not event[2]), key=lambda event: event[0]))
    return [event if event[2] else next(listed) for event in events]


@given(LISTS.map(in_the_order_of_a_list))
def test_within_a_namespace_what_is_listed_comes_oldest_first_as_if_all_were_held(
    events: list[tuple[str, int, bool]],
) -> None:
    at_last = [number for part in handed_on(events, by_namespace=False) for number in part]
    early = [number for part in handed_on(events, by_namespace=True) for number in part]
    assert sorted(early) == sorted(at_last) == list(range(len(events)))
    for namespace in "abcd":
        listed = {number for number, (name, _, watched) in enumerate(events) if name == namespace and not watched}
        assert [number for number in early if number in listed] == [number for number in at_last if number in listed]


@given(LISTS.map(in_the_order_of_a_list))
def test_what_is_watched_never_waits_for_other_namespaces_nor_overtakes_its_own(
    events: list[tuple[str, int, bool]],
) -> None:
    parts = handed_on(events, by_namespace=True)
    listed = [number for number, (_, _, is_watched) in enumerate(events) if not is_watched]
    for number, (namespace, _, is_watched) in enumerate(events):
        last = max((other for other in listed if events[other][0] == namespace), default=len(events))
        complete = min((other for other in listed if other > last), default=len(events))
        (at,) = (index for index, part in enumerate(parts) if number in part)
        assert at == (max(number, complete) if is_watched else complete)


@given(LISTS.map(in_the_order_of_a_list))
def test_unless_by_namespace_everything_waits_for_the_end(events: list[tuple[str, int, bool]]) -> None:
    *before, last = handed_on(events, by_namespace=False)
    assert not any(before)
    assert [events[number][1] for number in last] == sorted(slot for _, slot, _ in events)


def test_another_list_begins_with_nothing_known() -> None:
    held = ListedEvents(by_namespace=True)
    held.add("a", 0, received(1))
    held.add("b", 0, received(2))
    assert list(held.take()) == [[received(1)], [received(2)]]
    held.clear()
    held.add_watched("a", 0, received(3))
    assert list(held.ready()) == []
    held.add("a", SLOT, received(4))
    assert list(held.ready()) == []
    held.add("b", 0, received(5))
    assert list(held.ready()) == [[received(3)], [received(4)]]


@given(st.lists(st.lists(st.integers(0, 99), max_size=5)), st.integers(1, 7))
def test_batches_hold_what_the_chunks_hold(numbers: list[list[int]], size: int) -> None:
    chunks = [[received(number) for number in chunk] for chunk in numbers]
    batches = list(in_batches(chunks, size))
    assert [event for batch in batches for event in batch] == [event for chunk in chunks for event in chunk]
    assert all(len(batch) >= size for batch in batches[:-1])
    assert all(batches)
