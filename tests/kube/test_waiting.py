"""What waits for a batch: how much a batch holds, and when nothing more is to be read."""

from __future__ import annotations

from kigeon.kube.waiting import (
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_WAITING_BYTES,
    MAX_WAITING_EVENTS,
    Received,
    WaitingEvents,
)


def filled(count: int, size: int = 1) -> WaitingEvents:
    """Return so many that wait, each of so many bytes."""
    waiting = WaitingEvents()
    waiting.add(Received(bytes(8), b"x" * size, str(number)) for number in range(count))
    return waiting


def test_a_batch_holds_so_many_in_order() -> None:
    waiting = filled(MAX_BATCH_EVENTS + 1)
    assert waiting.fills_a_batch
    batch = waiting.take_batch()
    assert [event.resource_version for event in batch] == [str(number) for number in range(MAX_BATCH_EVENTS)]
    assert (len(waiting), waiting.fills_a_batch) == (1, False)
    assert len(waiting.take_batch()) == 1
    assert waiting.take_batch() == []


def test_a_batch_ends_with_the_event_that_fills_its_bytes() -> None:
    waiting = filled(5, MAX_BATCH_BYTES // 2)
    assert [len(waiting.take_batch()) for _ in range(3)] == [2, 2, 1]


def test_too_many_or_too_large_are_full_until_some_have_gone() -> None:
    for count, size in ((MAX_WAITING_EVENTS, 1), (4, MAX_WAITING_BYTES // 4)):
        assert not filled(count - 1, size).is_full
        waiting = filled(count, size)
        full = waiting.is_full
        waiting.take_batch()
        assert (full, waiting.is_full) == (True, False)
