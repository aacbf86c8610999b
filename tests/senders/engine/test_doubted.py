"""What rode along and may have been refused unnoticed is taken back from what is booked as sent, and sent again."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from kigeon.errors import QueueError
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.retry import RetryStore
from kigeon.senders.engine.engine import Engine
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.names import EVENTS
from tests.support.sending import sending, store, until
from tests.support.settings import QUEUE_SETTINGS


def events_of(start: int, count: int) -> list[dict[str, object]]:
    return [make_event(number, namespace=f"team-{number % 4}") for number in range(start, start + count)]


def counts(engine: Engine) -> tuple[int, int, int]:
    found = engine.report()
    return (
        int(str(found["sent"])),
        int(str(found["evicted"])),
        int(str(found["inMemory"])) + int(str(found["retrying"])),
    )


def another_client(loki: Loki, labels: tuple[tuple[str, str], ...]) -> int:
    """Push a line to the stream with these labels; return the status of the answer."""
    body = {"streams": [{"stream": dict(labels), "values": [[str(time.time_ns()), "another"]]}]}
    return loki.take("", {"Content-Type": "application/json"}, orjson.dumps(body))[0]


def forget_all_but_one(loki: Loki) -> None:
    """Have it be started anew, and another client take the only room there is, with the stream of the first event."""
    loki.restart()
    loki.limits.max_streams = 1
    assert another_client(loki, loki.lines[0].labels) == 204


@pytest.mark.parametrize("is_gone", [False, True], ids=["held", "evicted"])
def test_what_was_refused_unnoticed_is_sent_again_or_booked_as_lost(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    """Loki was started anew, another client has taken the room: the three that ride along are refused behind a 204."""
    monkeypatch.setattr("kigeon.senders.engine.doubted.PROVE_EVERY", 0.1)
    monkeypatch.setattr("kigeon.senders.loki.known.DOUBTED_FOR", 1.0)
    first, second = events_of(0, 8), events_of(8, 8)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *first)
            async with sending(client, loki) as engine:
                await until(lambda: counts(engine) == (8, 0, 0))
                forget_all_but_one(loki)
                await store(client, 9, *second)
                await until(lambda: counts(engine) == (16, 0, 0))
                assert len(loki.lines) == 8 + 1 + 2
                if is_gone:
                    await client.jetstream().purge_stream(EVENTS)
                    await until(lambda: counts(engine) == (10, 6, 0))
                    return
                await until(lambda: counts(engine) == (10, 0, 6))
                loki.limits.max_streams = 10
                await until(lambda: counts(engine) == (16, 0, 0))

    asyncio.run(main())
    if not is_gone:
        assert_once([line for line in loki.lines if line.line != "another"], [*first, *second])


@pytest.mark.parametrize("window", [4000, 3], ids=["at-once", "bit-by-bit"])
def test_what_was_in_doubt_when_a_sender_ended_is_sent_again_by_the_next(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """Of the second eight six were refused behind a 204, and nothing else comes that would show it."""
    monkeypatch.setattr("kigeon.senders.retry.resending.SLICE_EVENTS", window)
    first, second, third = events_of(0, 8), events_of(8, 8), events_of(16, 8)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *first)
            async with sending(client, loki) as engine:
                await until(lambda: counts(engine) == (8, 0, 0))
                forget_all_but_one(loki)
                await store(client, 9, *second)
                await until(lambda: counts(engine) == (16, 0, 0))
            assert len(loki.lines) == 8 + 1 + 2
            loki.limits.max_streams = 10
            await store(client, 17, *third)
            async with sending(client, loki) as engine:
                await until(lambda: counts(engine) == (24, 0, 0))
                await until(lambda: len(loki.lines) == 24 + 1)

    asyncio.run(main())
    assert_once([line for line in loki.lines if line.line != "another"], [*first, *second, *third])


def test_what_could_not_be_booked_is_booked_later_and_nothing_of_it_twice(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The retry stream takes the first two of the six that are in doubt, then nothing for a while."""
    monkeypatch.setattr("kigeon.senders.retry.pages.MAX_PAGE_EVENTS", 2)
    monkeypatch.setattr("kigeon.senders.engine.doubted.PROVE_EVERY", 0.1)
    monkeypatch.setattr("kigeon.senders.loki.known.DOUBTED_FOR", 1.0)
    first, second = events_of(0, 8), events_of(8, 8)
    put, calls = RetryStore.put, iter(range(100))

    async def put_some(store: RetryStore, *given: object) -> int:
        if next(calls) in range(1, 4):
            raise QueueError("no room")
        return await put(store, *given)  # type: ignore[arg-type]

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *first)
            async with sending(client, loki) as engine:
                await until(lambda: counts(engine) == (8, 0, 0))
                forget_all_but_one(loki)
                await store(client, 9, *second)
                await until(lambda: sum(counts(engine)) == 16)
                monkeypatch.setattr(RetryStore, "put", put_some)
                await until(lambda: "can't be sent again yet" in caplog.text)
                loki.limits.max_streams = 10
                await until(lambda: counts(engine) == (16, 0, 0) and len(loki.lines) == 16 + 1)

    asyncio.run(main())
    assert_once([line for line in loki.lines if line.line != "another"], [*first, *second])


def test_at_an_orderly_end_what_is_in_doubt_is_proven_and_nothing_is_sent_again(server: NatsServer, loki: Loki) -> None:
    first, second = events_of(0, 8), events_of(8, 8)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *first)
            async with sending(client, loki) as engine:
                await until(lambda: counts(engine) == (8, 0, 0))
                await store(client, 9, *second)
                await until(lambda: counts(engine) == (16, 0, 0))
                await engine.drain()
                assert loki.repeats == 3
            async with sending(client, loki) as engine:
                assert counts(engine) == (16, 0, 0)
                await engine.drain()
                assert loki.repeats == 3

    asyncio.run(main())
    assert_once(loki.lines, [*first, *second])
