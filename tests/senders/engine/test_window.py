"""How much of the queue a sender holds in memory, and what moves out of the way."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from kigeon.errors import QueueFull
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.retry import RetryStore
from kigeon.senders.engine.engine import Engine
from kigeon.senders.engine.window import LOOK_INTERVAL, MAX_WINDOW_EVENTS
from tests.senders.ended import until_sent
from tests.senders.refusing import RefusingSink
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.sending import HangingSink, sending, store, until
from tests.support.settings import QUEUE_SETTINGS


def in_memory(engine: Engine) -> int:
    return int(str(engine.report()["inMemory"]))


@pytest.mark.parametrize("fickle", [False, True])
def test_a_destination_that_hangs_holds_up_no_other(server: NatsServer, loki: Loki, fickle: bool) -> None:
    """The window has room for fewer than go there; no push to it ends before all others have arrived.

    What waited for it may go two ways when it comes back: a page is closed once, whichever way ends last.
    """
    events = [make_event(number) for number in range(6 * MAX_WINDOW_EVENTS)]
    sink = HangingSink(loki, fickle)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            async with sending(client, loki, sink) as engine:
                for first in range(0, len(events), 500):
                    await store(client, first + 1, *events[first : first + 500])
                # What is prepared in an odd number goes there in an uneven one.
                await until(lambda: sink.prepared >= len(events) and engine.report()["sent"] == sink.not_hanging)
                assert not any(line.tenant for line in loki.lines)
                sink.answering.set()
                await until_sent(engine, len(events))

    asyncio.run(main())
    assert_once(loki.lines, events)


def test_reading_goes_on_while_what_is_stuck_is_moved_out_of_the_way(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still meanwhile: with 64 dead destinations for 64 fsyncs, and as many of the position."""
    events = [make_event(number) for number in range(3 * MAX_WINDOW_EVENTS)]
    sink, put, released = RefusingSink(loki, fickle=False), RetryStore.put, asyncio.Event()

    async def waiting(*move: Any) -> int:
        await released.wait()
        return await put(*move)

    monkeypatch.setattr(RetryStore, "put", waiting)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            async with sending(client, loki, sink) as engine:
                for first in range(0, len(events), 500):
                    await store(client, first + 1, *events[first : first + 500])
                await until(lambda: engine.report()["sent"] == len(events) // 2)
                assert engine.report()["retrying"] == 0
                released.set()
                sink.answering.set()
                await until_sent(engine, len(events))

    asyncio.run(main())
    assert_once(loki.lines, events)


def test_what_finds_no_room_in_the_retry_stream_is_tried_now_and_then_and_others_go_on(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [make_event(number) for number in range(3 * MAX_WINDOW_EVENTS)]
    sink, tries = RefusingSink(loki, fickle=False), list[float]()

    async def full(*move: Any) -> int:
        tries.append(time.monotonic())
        raise QueueFull("full")

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            with monkeypatch.context() as patch:
                patch.setattr(RetryStore, "put", full)
                async with sending(client, loki, sink) as engine:
                    for first in range(0, len(events), 500):
                        await store(client, first + 1, *events[first : first + 500])
                    await until(lambda: engine.report()["sent"] == len(events) // 2 and len(tries) > 3)
                    assert all(later - earlier >= LOOK_INTERVAL for earlier, later in pairwise(tries))
                    sink.answering.set()
                    await until_sent(engine, len(events))

    asyncio.run(main())
    assert_once(loki.lines, events)


def test_what_is_in_memory_is_bounded_although_large_envelopes_follow_small_ones(
    server: NatsServer, loki: Loki
) -> None:
    """Many are asked for at once as long as they are small."""
    events = [make_event(number) for number in range(6 * MAX_WINDOW_EVENTS)]
    sizes = [*[1] * 8, *[500] * 47, 492]
    loki.answering.clear()

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            first = 0
            for size in sizes:
                await store(client, first + 1, *events[first : first + size])
                first += size
            async with sending(client, loki) as engine:
                await until(lambda: in_memory(engine) >= MAX_WINDOW_EVENTS)
                most = in_memory(engine)
                loki.answering.set()
                await until_sent(engine, len(events))
                assert most <= 2 * MAX_WINDOW_EVENTS + 500

    asyncio.run(main())
    assert_once(loki.lines, events)
