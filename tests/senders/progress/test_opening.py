"""What a sender has in the retry stream that all senders shared moves to its own, through a crash at any step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nats.aio.client import Client

from kigeon.errors import Fenced
from kigeon.events.envelope import pack, unpack
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import former_retry_config
from kigeon.queue.broker.streams import declare, stream_state
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.opening import open_position
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import write_position
from tests.support.names import RETRY
from tests.support.settings import QUEUE_SETTINGS

PAGES = 150
"""More than are copied side by side."""

ENDED = {1: 1, 17: 1, 2 * PAGES - 1: 1}
"""Of pages of two events, by sequence: the first event of each has ended."""


class Crash(Exception):
    """What stands for the end of everything."""


class Crashing:
    """A store or a record that crashes before or after a step."""

    def __init__(self, of: Any, step: str, when: str) -> None:
        self._of, self._step, self._when = of, step, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        return self._at(found) if name == self._step else found

    def _at(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def crash(*arguments: Any) -> Any:
            if self._when == "after":
                await call(*arguments)
            raise Crash

        return crash


async def shared(client: Client) -> None:
    """Have the stream as it was: pages of two senders by turns, and a copy of each that nobody has booked."""
    js = client.jetstream()
    await declare(client, QUEUE_SETTINGS)
    await js.add_stream(former_retry_config(QUEUE_SETTINGS, QueueAddress("")))
    for page in range(PAGES + 1):
        for sender in ("a", "b"):
            headers = {
                "Kigeon-Format": "1",
                "Kigeon-Key": "hook" if page % 3 else "http://loki",
                "Kigeon-Numbers": f"{2 * page + 1},{2 * page + 2}",
                "Kigeon-Stored-At": "1.0",
            }
            events = pack([b"%d" % (2 * page + 1), b"%d" % (2 * page + 2)], b"").payload
            await js.publish(f"kigeon.retry.{sender}", events, headers=headers)
    for sender in ("a", "b"):
        position = Position(2, 2 * PAGES + 1, 1, retry_sequence=2 * PAGES, retry=ENDED if sender == "a" else {})
        position.counts = {Outcome.SENT: len(position.retry)}
        await StateRecord(client, f"position.{sender}").write(write_position(position))


async def opened(client: Client, sender: str, store: Any = None, record: Any = None) -> Ledger:
    """Open a sender as it is opened at its start, and read what waits for it."""
    await declare(client, QUEUE_SETTINGS, sender)
    record = record or StateRecord(client, f"position.{sender}")
    ledger = Ledger(await open_position(record, store or RetryStore(client, sender)))
    async for message in RetryStore(client, sender).waiting():
        assert ledger.retry.restore(message.sequence, len(message.offsets)) is not None
    return ledger


async def numbers_waiting(client: Client, sender: str, ledger: Ledger) -> list[int]:
    store, found = RetryStore(client, sender), []
    bits = ledger.position().retry
    for key in ("hook", "http://loki"):
        start = 1
        while (message := await store.next(key, start)) is not None:
            start = message.sequence + 1
            assert unpack(message.payload) == [b"%d" % number for number in message.offsets]
            ended = bits.get(message.sequence, 0)
            found += [number for index, number in enumerate(message.offsets) if not ended >> index & 1]
    return sorted(found)


WANTED = {
    "a": [n for n in range(1, 2 * PAGES + 1) if n not in {2 * ((s - 1) // 2) + 1 for s in ENDED}],
    "b": list(range(1, 2 * PAGES + 1)),
}


async def assert_moved(client: Client) -> None:
    for sender in ("a", "b"):
        ledger = await opened(client, sender)
        assert ledger.balance(Outcome.EVICTED) == 0
        assert await numbers_waiting(client, sender, ledger) == WANTED[sender]
        again = await opened(client, sender)
        assert again.retry.open_events == len(WANTED[sender])
    assert await stream_state(client.jetstream(), RETRY) is None


def run(server: NatsServer, test: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with connected(server.address, "test") as client:
            await shared(client)
            await test(client)

    asyncio.run(main())


def test_what_waits_moves_and_the_shared_stream_is_gone(server: NatsServer) -> None:
    run(server, assert_moved)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["adopt", "write", "forget_former"])
def test_a_crash_at_a_step(server: NatsServer, step: str, when: str) -> None:
    async def test(client: Client) -> None:
        store = Crashing(RetryStore(client, "a"), step, when)
        record = Crashing(StateRecord(client, "position.a"), step, when)
        with pytest.raises(Crash):
            await opened(client, "a", store, record)
        await assert_moved(client)

    run(server, test)


def test_a_crash_amid_the_copies(server: NatsServer) -> None:
    async def test(client: Client) -> None:
        await declare(client, QUEUE_SETTINGS, "a")
        for number in range(1, 8):
            await RetryStore(client, "a").put("hook", [b"copy"], [number], 1.0)
        await assert_moved(client)

    run(server, test)


def test_the_books_see_what_waits_before_and_after_it_moved(server: NatsServer) -> None:
    async def test(client: Client) -> None:
        before = [found async for found in RetryStore(client, "a").booked(2 * PAGES)]
        ledger = await opened(client, "a")
        after = [found async for found in RetryStore(client, "a").booked(ledger.retry.sequence)]
        assert [message.offsets for message in before] == [message.offsets for message in after]
        assert len(after) == PAGES
        assert [found async for found in RetryStore(client, "c").booked(0)] == []

    run(server, test)


def test_what_is_booked_can_not_be_told_where_the_position_is_lost(server: NatsServer) -> None:
    """All that is there counts as booked: what of it is also sent again from the queue, its destination can drop."""

    async def test(client: Client) -> None:
        record = StateRecord(client, "position.a")
        await record.read()
        await record.write(b"rubbish")
        ledger = await opened(client, "a")
        assert ledger.retry.open_events == 2 * PAGES + 2

    run(server, test)


def test_whoever_owned_the_position_before_can_no_longer_write_it(server: NatsServer) -> None:
    async def taken_over(client: Client) -> None:
        owner, successor = (StateRecord(client, "position.b") for _ in range(2))
        await declare(client, QUEUE_SETTINGS, "b")
        stored = await owner.read()
        assert stored is not None
        await open_position(successor, RetryStore(client, "b"))
        with pytest.raises(Fenced):
            await owner.write(stored)
        await successor.write(stored + b" ")

    run(server, taken_over)
