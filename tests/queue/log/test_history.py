"""What the events stream still holds, found by number and by time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.client import Client

from kigeon.events.envelope import pack, write_headers
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.history import EventHistory
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.settings import QUEUE_SETTINGS

COUNTS = (1, 5, 2, 9, 1, 1, 30)
FIRSTS = (1, 2, 7, 9, 18, 19, 20)


def run(folder: Path, test: Callable[[Client, EventHistory], Awaitable[None]]) -> None:
    async def main(server: NatsServer) -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS)
            for first, count in zip(FIRSTS, COUNTS, strict=True):
                envelope = pack([b"{}"] * count, bytes(8 * count), "7")
                headers = write_headers(envelope, first, "w")
                await client.jetstream().publish(EVENTS_SUBJECT, envelope.payload, headers=headers)
            await test(client, EventHistory(client))

    with NatsServer(folder / "data", file_store_bytes(QUEUE_SETTINGS)) as server:
        server.start()
        asyncio.run(main(server))


def test_each_number_is_found_in_its_envelope(tmp_path: Path) -> None:
    async def test(client: Client, history: EventHistory) -> None:
        for number in range(1, 50):
            sequence = await history.sequence_of(number)
            assert FIRSTS[sequence - 1] <= number < FIRSTS[sequence - 1] + COUNTS[sequence - 1]
        assert await history.sequence_of(50) == 8
        assert [stored.sequence async for stored in history.read(6)] == [6, 7]

    run(tmp_path, test)


def test_what_is_gone_or_can_not_be_read_is_passed_by(tmp_path: Path) -> None:
    async def test(client: Client, history: EventHistory) -> None:
        js = client.jetstream()
        await js.purge_stream(EVENTS, keep=5)
        await js.delete_msg(EVENTS, 5)
        await js.publish(EVENTS_SUBJECT, b"no envelope", headers={"Kigeon-Format": "9"})
        assert await history.sequence_of(1) == 3
        first = await anext(history.read(await history.sequence_of(18)))
        assert first.sequence == 6
        assert await history.sequence_of(25) == 7
        await js.purge_stream(EVENTS)
        assert [stored async for stored in history.read(await history.sequence_of(1))] == []

    run(tmp_path, test)


def test_a_moment_is_found(tmp_path: Path) -> None:
    async def test(client: Client, history: EventHistory) -> None:
        assert await history.sequence_since(0.0) == 1
        assert await history.sequence_since(time.time() + 60) == 8
        stored = [found async for found in history.read(1)]
        for found in stored[1:]:
            # Both times are rounded to microseconds on their way.
            assert await history.sequence_since(found.timestamp - 1e-5) == found.sequence

    run(tmp_path, test)
