"""A sender's engine on a real queue: what it does with what it finds there."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from kigeon.events.envelope import pack, write_headers
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.delivery.delivery import TIME_TO_COME
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.steps import Prepared
from kigeon.throttle import MOST_LINES
from tests.senders.ended import dead_letters, until_sent
from tests.senders.refusing import RefusingSink
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.names import EVENTS_SUBJECT
from tests.support.sending import packed, sending, store, until
from tests.support.settings import QUEUE_SETTINGS


def test_an_envelope_that_can_not_be_read_is_parked_whole_and_stops_nothing(server: NatsServer, loki: Loki) -> None:
    events = [make_event(number) for number in range(6)]

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            js = client.jetstream()
            damaged = packed(*events[1:3])
            await store(client, 1, events[0])
            await js.publish(
                EVENTS_SUBJECT, damaged.payload[:-9] + b"xxxxxxxxx", headers=write_headers(damaged, 2, "w")
            )
            await js.publish(EVENTS_SUBJECT, b"no envelope at all", headers={"Kigeon-Format": "9"})
            await store(client, 5, *events[4:])
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
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
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

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *events)
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


def test_what_was_evicted_before_it_was_read_is_counted_and_said_at_once(
    server: NatsServer, loki: Loki, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kigeon.senders.engine.engine.CALM_INTERVAL", 60.0)
    event = make_event(1)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, event)
            async with sending(client, loki) as engine:
                await until_sent(engine, 1)
            await store(client, 42, make_event(2))
            async with sending(client, loki) as engine:
                report = await until_sent(engine, 2)
                assert report["evicted"] == 40
                assert [record.__dict__["events"] for record in caplog.records if "were evicted" in record.message] == [
                    40
                ]

    asyncio.run(main())


class TenantsSink(RefusingSink):
    """Each event is another tenant's; ``pushes`` are counted."""

    pushes = 0

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        self.pushes += 1
        return Answer(PushStatus.RETRY, "503 told to", concerns_all=True)

    def prepare(self, raw: Sequence[bytes]) -> list[Prepared]:
        events = [orjson.loads(each) for each in raw]
        return [self.entry(event, LokiSettings(self.url, tenant_id=event["metadata"]["uid"])) for event in events]


def test_of_a_crowd_of_tenants_that_are_refused_few_are_named_in_the_log(
    server: NatsServer, loki: Loki, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook may make as many destinations as there are events."""
    events = [make_event(number) for number in range(3 * MOST_LINES)]
    sink = TenantsSink(loki, fickle=False)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, *events)
            async with sending(client, loki, sink) as engine:
                await until(lambda: len(engine.waits()) == len(events))
                await until(lambda: all(lane._backoff.failures > 2 for lane in engine._lanes))
                assert sink.pushes < 2 * len(events), "they did not learn from each other"

    asyncio.run(main())
    assert [found.message for found in caplog.records].count("the destination is away, events wait") == MOST_LINES


def test_of_an_event_whose_time_is_to_come_it_is_said_that_it_waits_for_it(server: NatsServer, loki: Loki) -> None:
    stamp = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    early = make_event(1, firstTimestamp=stamp, lastTimestamp=stamp)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, make_event(0), early)
            async with sending(client, loki) as engine:
                await until(lambda: len(engine.waits()) == 1 and engine.report()["sent"] == 1)
                (wait,) = engine.waits()
                assert (wait.reason, wait.events) == (TIME_TO_COME, 1)

    asyncio.run(main())
