"""A sender's engine on a real queue: what it does with what it finds there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest
from nats.aio.client import Client

from kigeon.config.settings import LokiSettings, QueueSettings
from kigeon.events.envelope import Envelope, pack, write_headers
from kigeon.events.occurrence import identity_of
from kigeon.queue.connection import connected
from kigeon.queue.dead_letter import DeadLetterStore
from kigeon.queue.outcomes import OutcomeStore
from kigeon.queue.reader import EventLog
from kigeon.queue.retry import RetryStore
from kigeon.queue.scan import Stored, scan
from kigeon.queue.server import NatsServer
from kigeon.queue.state import StateRecord
from kigeon.queue.streams import DEAD_LETTER, DEAD_LETTER_SUBJECT, EVENTS_SUBJECT, declare, file_store_bytes
from kigeon.senders.engine import Engine, Plan, Stores, open_engine
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.steps import Preparer
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki

SETTINGS = QueueSettings(events_max_bytes=4 * 2**20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "data", file_store_bytes(SETTINGS)) as running:
        running.start()
        yield running


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as running:
        yield running


def packed(*events: dict[str, object]) -> Envelope:
    return pack([orjson.dumps(event) for event in events], b"".join(identity_of(event) for event in events), "7")


@asynccontextmanager
async def sending(client: Client, loki: Loki) -> AsyncIterator[Engine]:
    """Have an engine at work for the length of a block."""
    stores = Stores(
        EventLog(client, SETTINGS),
        StateRecord(client, "position.loki"),
        RetryStore(client, "loki"),
        DeadLetterStore(client, "loki"),
        OutcomeStore(client, "loki"),
    )
    sink = LokiSink(LokiSettings(loki.url))
    engine = await open_engine(stores, Plan(sink, Preparer(sink).prepare, False, 3600.0))
    task = asyncio.get_running_loop().create_task(engine.run())
    try:
        yield engine
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        engine.close()


async def until_sent(engine: Engine, sent: int) -> dict[str, object]:
    async with asyncio.timeout(20):
        while engine.report()["sent"] != sent:
            await asyncio.sleep(0.01)
    await engine.drain()
    return engine.report()


async def dead_letters(client: Client) -> list[Stored]:
    return [found async for found in scan(client, DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.loki.*", 1)]


def test_an_envelope_that_can_not_be_read_is_parked_whole_and_stops_nothing(server: NatsServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(6)]

    async def main() -> None:
        async with connected(server.url, server.token, "test") as client:
            await declare(client, SETTINGS)
            js = client.jetstream()
            damaged = packed(*events[1:3])
            await js.publish(
                EVENTS_SUBJECT, packed(events[0]).payload, headers=write_headers(packed(events[0]), 1, "w")
            )
            await js.publish(
                EVENTS_SUBJECT, damaged.payload[:-9] + b"xxxxxxxxx", headers=write_headers(damaged, 2, "w")
            )
            await js.publish(EVENTS_SUBJECT, b"no envelope at all", headers={"Kigeon-Format": "9"})
            last = packed(*events[4:])
            await js.publish(EVENTS_SUBJECT, last.payload, headers=write_headers(last, 5, "w"))
            async with sending(client, loki) as engine:
                report = await until_sent(engine, 3)
                assert (report["parked"], report["evicted"]) == (3, 0)
                found = await dead_letters(client)
                assert [letter.subject.rpartition(".")[2] for letter in found] == ["e2", "e3"]
                assert found[1].payload == b"no envelope at all"
                assert "does not unpack" in found[0].headers["Kigeon-Reason"]

    asyncio.run(main())
    assert_once(loki.lines, [events[0], *events[4:]])


def test_an_event_in_an_envelope_that_is_no_json_is_parked_alone(server: NatsServer, loki: Loki) -> None:
    event = make_event(1)
    mixed = pack([b"{rubbish", orjson.dumps(event)], bytes(16), "7")

    async def main() -> None:
        async with connected(server.url, server.token, "test") as client:
            await declare(client, SETTINGS)
            await client.jetstream().publish(EVENTS_SUBJECT, mixed.payload, headers=write_headers(mixed, 1, "w"))
            async with sending(client, loki) as engine:
                report = await until_sent(engine, 1)
                assert report["parked"] == 1
                assert len(await dead_letters(client)) == 1

    asyncio.run(main())
    assert_once(loki.lines, [event])


def test_a_position_that_can_not_be_read_sends_everything_again_and_loses_nothing(
    server: NatsServer, loki: Loki
) -> None:
    events = [make_event(number) for number in range(3)]
    envelope = packed(*events)

    async def main() -> None:
        async with connected(server.url, server.token, "test") as client:
            await declare(client, SETTINGS)
            await client.jetstream().publish(EVENTS_SUBJECT, envelope.payload, headers=write_headers(envelope, 1, "w"))
            record = StateRecord(client, "position.loki")
            await record.read()
            await record.write(b'{"format": 99}')
            async with sending(client, loki) as engine:
                await until_sent(engine, 3)
            async with sending(client, loki) as engine:
                assert engine.report()["sent"] == 3
                await engine.drain()

    asyncio.run(main())
    assert_once(loki.lines, events)
    assert len(loki.pushes) == 1


def test_what_was_evicted_before_it_was_read_is_counted(server: NatsServer, loki: Loki) -> None:
    event = make_event(1)

    async def main() -> None:
        async with connected(server.url, server.token, "test") as client:
            await declare(client, SETTINGS)
            js = client.jetstream()
            first = packed(event)
            await js.publish(EVENTS_SUBJECT, first.payload, headers=write_headers(first, 1, "w"))
            async with sending(client, loki) as engine:
                await until_sent(engine, 1)
            later = packed(make_event(2))
            await js.publish(EVENTS_SUBJECT, later.payload, headers=write_headers(later, 42, "w"))
            async with sending(client, loki) as engine:
                report = await until_sent(engine, 2)
                assert report["evicted"] == 40

    asyncio.run(main())
