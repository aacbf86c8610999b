"""The retry stream of a sender: its memory, and what is put back, moved on or lost. The store is a stand-in."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from kigeon.errors import QueueFull
from kigeon.events.envelope import pack
from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import read_position, write_position
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.groups import UNDECIDED
from kigeon.senders.retry.scheduler import RetryScheduler

AWAY = "http://loki tenant away"


@dataclass(frozen=True, slots=True)
class Message:
    sequence: int
    key: str
    offsets: tuple[int, ...]
    stored_at: float
    payload: bytes = b""
    problem: str = ""


@dataclass
class Store:
    """A retry stream in memory; the pages of *made* are made when they are asked for."""

    made: int = 0
    of: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    is_full: bool = False
    most: int = 1_000_000
    _next: int = 0

    def at(self, sequence: int) -> Message | None:
        if sequence <= self.made:
            first = (sequence - 1) * self.of + 1
            offsets = tuple(range(first, first + self.of))
            events = pack([b"{}"] * self.of, b"").payload
            return Message(sequence, AWAY if sequence % 2 else UNDECIDED, offsets, time.time(), events)
        return self.messages.get(sequence)

    @property
    def end(self) -> int:
        return max([self.made, self._next, *self.messages])

    async def put(self, key: str, events: Sequence[bytes], offsets: Sequence[int], stored_at: float) -> int:
        if self.is_full or len(self.messages) >= self.most:
            raise QueueFull("full")
        self._next = self.end + 1
        payload = pack(list(events), b"").payload
        self.messages[self._next] = Message(self._next, key, tuple(offsets), stored_at, payload)
        return self._next

    async def waiting(self, after: int = 0) -> AsyncIterator[Message]:
        for sequence in range(after + 1, self.end + 1):
            if (found := self.at(sequence)) is not None:
                yield replace(found, payload=b"")

    async def next(self, key: str, start: int) -> Message | None:
        for sequence in range(start, self.end + 1):
            if (found := self.at(sequence)) is not None and found.key == key:
                return found
        return None

    async def payload(self, sequence: int) -> bytes:
        found = self.at(sequence)
        return found.payload if found else b""

    async def delete(self, sequence: int) -> None:
        self.messages.pop(sequence, None)

    async def booked_at_most(self) -> int:
        return self.end

    async def adopt(self, booked: int, marked: Collection[int]) -> None:
        return None

    async def forget_former(self) -> None:
        return None


class Nothing:
    """A record and the outcomes that nobody reads."""

    def __init__(self) -> None:
        self.written = b""
        self.writes = 0

    async def read(self) -> bytes | None:
        return None

    async def write(self, value: Any) -> None:
        self.written = value
        self.writes += 1


class Scheduler:
    """A desk on a stand-in store; ``placed`` is what it loaded, ``undecided`` says of what nothing can be decided."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.placed: list[Item] = []
        self.undecided = False
        self.store, self.ledger, self.record = store, ledger, Nothing()
        nothing: Any = None
        progress = Progress(ledger, self.record, cast("Any", Nothing()))
        parking = Parking(progress.ledger, nothing)
        self.scheduler = RetryScheduler(store, progress, parking, self._place, 3600.0)

    async def _place(self, items: Sequence[Item]) -> list[Item]:
        if self.undecided:
            return list(items)
        self.placed += items
        return []

    def take(self) -> list[Item]:
        taken, self.placed = self.placed, []
        return taken

    async def send(self, items: Sequence[Item]) -> None:
        for item in items:
            self.ledger.end(item.page, item.index, Outcome.SENT)
        await self.scheduler.pages.close_done(items)

    def restarted(self) -> Scheduler:
        return Scheduler(self.store, Ledger(read_position(write_position(self.ledger.position()))))


def booked(store: Store) -> Ledger:
    """Return a ledger that has booked all that *store* holds."""
    events = sum(len(message.offsets) for message in store.messages.values()) + store.made * store.of
    return Ledger(Position(2, events + 1, 1, retry_sequence=store.end))


def offsets(items: Sequence[Item]) -> list[int]:
    return [item.page.offset(item.index) for item in items]


async def filled(*pages: tuple[str, int]) -> Store:
    """Return a store with pages of a key and a number of events each; numbers count from 1."""
    store, number = Store(), 1
    for key, count in pages:
        await store.put(key, [b"{}"] * count, range(number, number + count), time.time())
        number += count
    return store


def grown(pages: int, of: int) -> int:
    """Return by how many bytes memory grows when so many pages wait, and some were tried in vain."""

    async def main() -> int:
        at = Scheduler(store := Store(pages, of), booked(store))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await at.scheduler.restore()
            assert at.scheduler.waiting_events == pages * of
            for _ in range(20):
                await at.scheduler.loader.load_next(AWAY)
                await at.scheduler.unload(at.take(), AWAY)
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()

    return asyncio.run(main())


def test_memory_does_not_grow_with_what_waits() -> None:
    """It was three hundred bytes a page, and as many for eight events."""
    grown(10, 1)
    assert grown(20_000, 1) < 100_000
    assert grown(2_000, 50) < 100_000


def test_what_is_away_comes_back_in_order_and_whole() -> None:
    async def main() -> None:
        at = Scheduler(store := await filled((AWAY, 2), (UNDECIDED, 1), (AWAY, 2), (AWAY, 1)), booked(store))
        await at.scheduler.restore()
        assert at.scheduler.waiting.labels() == [AWAY]
        await at.scheduler.loader.load_next(AWAY)
        await at.scheduler.loader.load_next(AWAY)
        loaded = at.take()
        assert offsets(loaded) == [1, 2, 4, 5]
        await at.send(loaded[:1])
        await at.scheduler.unload(loaded[1:], AWAY)
        assert at.ledger.retry.pages == []
        assert at.scheduler.waiting_events == 5
        for _ in range(3):
            assert at.scheduler.waiting.waits_for(AWAY)
            await at.scheduler.loader.load_next(AWAY)
        assert not at.scheduler.waiting.waits_for(AWAY)
        loaded = at.take()
        assert offsets(loaded) == [2, 4, 5, 6]
        await at.send(loaded)
        assert list(store.messages) == [2]
        again = at.restarted()
        await again.scheduler.restore()
        assert (again.scheduler.waiting_events, again.ledger.counts[Outcome.EVICTED]) == (1, 0)

    asyncio.run(main())


def test_events_of_another_page_move_on_to_what_waits_for_their_destination() -> None:
    """So that the pages behind theirs do not wait for a destination that is away."""

    async def main() -> None:
        at = Scheduler(store := await filled((UNDECIDED, 3)), booked(store))
        await at.scheduler.restore()
        at.scheduler.waiting.hurry(UNDECIDED)
        await at.scheduler.loader.load_due()
        loaded = at.take()
        assert offsets(loaded) == [1, 2, 3]
        await at.scheduler.unload(loaded[1:], AWAY)
        await at.send(loaded[:1])
        assert [(message.key, message.offsets) for message in store.messages.values()] == [(AWAY, (2, 3))]
        again = at.restarted()
        await again.scheduler.restore()
        assert again.ledger.counts[Outcome.EVICTED] == 0
        await again.scheduler.loader.load_next(AWAY)
        assert offsets(again.take()) == [2, 3]

    asyncio.run(main())


def test_what_finds_no_room_is_put_back_or_held_and_placed_again() -> None:
    async def main() -> None:
        at = Scheduler(store := await filled((UNDECIDED, 1), (AWAY, 2)), booked(store))
        await at.scheduler.restore()
        store.is_full = True
        at.scheduler.waiting.hurry(UNDECIDED)
        await at.scheduler.loader.load_due()
        await at.scheduler.unload(at.take(), AWAY)
        assert at.scheduler.loaded_events == 0
        at.undecided = True
        await at.scheduler.loader.load_next(AWAY)
        assert at.scheduler.loaded_events == 2
        assert not at.scheduler.waiting.waits_for(AWAY), "it would be loaded again at once, for ever"
        at.undecided = False
        await at.scheduler.retry_held()
        assert offsets(at.take()) == [2, 3]
        assert len(store.messages) == 2

    asyncio.run(main())


def waiting_items(count: int) -> tuple[Ledger, list[Item]]:
    """Return a ledger with an envelope of *count* events that wait, and these."""
    ledger = Ledger(Position())
    page = ledger.envelopes.admit(1, 1, count, time.time())
    assert page is not None
    return ledger, [Item(page, index, b"{}") for index in range(count)]


def test_what_moves_out_of_the_way_together_is_booked_in_one_write_of_the_position() -> None:
    """It was one for each destination, and each waits for an fsync."""

    async def main() -> None:
        ledger, items = waiting_items(64)
        at = Scheduler(store := Store(), ledger)
        assert await at.scheduler.move_all([([item], f"tenant {item.index}") for item in items]) == [[]] * 64
        assert (len(store.messages), at.record.writes) == (64, 1)
        assert read_position(at.record.written).retry_sequence == 64
        await at.scheduler.loader.load_next("tenant 9")
        assert offsets(at.take()) == [10]

    asyncio.run(main())


def test_what_moves_together_stays_where_it_is_from_the_first_on_that_finds_no_room() -> None:
    async def main() -> None:
        ledger, (first, *others) = waiting_items(3)
        at = Scheduler(store := Store(most=1), ledger)
        assert await at.scheduler.move_all([([item], "away") for item in (first, *others)]) == [
            [],
            *map(list, zip(others)),
        ]
        assert at.record.writes == 1
        assert (ledger.retry.open_events, ledger.envelopes.open_events) == (1, 2)
        again = at.restarted()
        await again.scheduler.restore()
        assert (again.scheduler.waiting_events, again.ledger.open_everywhere, list(store.messages)) == (1, 3, [1])

    asyncio.run(main())


def test_pages_that_are_gone_are_booked_when_they_are_looked_for() -> None:
    async def main() -> None:
        at = Scheduler(store := await filled((AWAY, 2), (AWAY, 3), (UNDECIDED, 4)), booked(store))
        await at.scheduler.restore()
        store.messages.clear()
        await at.scheduler.loader.load_next(AWAY)
        assert at.ledger.counts[Outcome.EVICTED] == 5
        at.scheduler.waiting.hurry(UNDECIDED)
        await at.scheduler.loader.load_due()
        assert at.ledger.counts[Outcome.EVICTED] == 9
        assert at.scheduler.waiting_events == 0

    asyncio.run(main())


def test_a_copy_whose_answer_was_lost_is_deleted_and_never_loaded() -> None:
    async def main() -> None:
        at = Scheduler(store := await filled((AWAY, 1)), booked(store))
        await at.scheduler.restore()
        await store.put(AWAY, [b"{}"], [2], time.time())
        await at.scheduler.loader.load_next(AWAY)
        await at.scheduler.loader.load_next(AWAY)
        assert offsets(at.take()) == [1]
        again = at.restarted()
        await again.scheduler.restore()
        assert list(store.messages) == [1]

    asyncio.run(main())


def test_what_another_owner_stores_meanwhile_is_not_booked() -> None:
    """A replica that was frozen stores a copy that was on its way, while its successor moves events too."""

    async def main() -> None:
        at = Scheduler(store := Store(), Ledger(Position(2, 9, 1)))
        for first in (1, 4):
            await store.put(AWAY, [b"{}"] * 2, (first, first + 1), time.time())
            page = await at.scheduler.pages.copy(AWAY, [b"{}"], (first,), time.time())
            at.ledger.retry.booked(page)
        assert [message.offsets for message in store.messages.values()] == [(1,), (4,)]
        await store.put(AWAY, [b"{}"], (7,), time.time())
        again = at.restarted()
        again.ledger.balance(Outcome.EVICTED)
        await again.scheduler.restore()
        assert [message.offsets for message in store.messages.values()] == [(1,), (4,)]

    asyncio.run(main())
