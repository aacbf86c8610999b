"""A sender's engine on a real queue: what it does with what it finds there."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from kigeon.errors import QueueFull
from kigeon.events.envelope import pack, unpack, write_headers
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import StreamMessage, scan
from kigeon.queue.broker.streams import declare
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.delivery.delivery import TIME_TO_COME
from kigeon.senders.engine.engine import Engine
from kigeon.senders.engine.window import LOOK_INTERVAL, MAX_WINDOW_EVENTS
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import write_position
from kigeon.senders.retry.pages import MAX_PAGE_BYTES, MAX_PAGE_EVENTS, in_pages
from kigeon.senders.steps import Prepared
from kigeon.throttle import MOST_LINES
from tests.support.events import assert_once, make_event
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT, EVENTS_SUBJECT
from tests.support.sending import HangingSink, packed, sending, store, until
from tests.support.settings import QUEUE_SETTINGS


def in_memory(engine: Engine) -> int:
    return int(str(engine.report()["inMemory"]))


async def until_sent(engine: Engine, sent: int) -> dict[str, object]:
    await until(lambda: engine.report()["sent"] == sent)
    await engine.drain()
    return engine.report()


async def dead_letters(client: Client) -> list[StreamMessage]:
    return [found async for found in scan(client, DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.loki.*", 1)]


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


def test_a_page_of_the_retry_stream_with_other_events_than_it_says_is_parked(server: NatsServer, loki: Loki) -> None:
    """It was the end of its sender, at every start."""
    event = make_event(1)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            await store(client, 1, event, make_event(2), make_event(3))
            sequence = await RetryStore(client, "loki").put("hook", [b"{}"], [2, 3], time.time())
            moved = Position(2, 4, 1, [EnvelopeProgress(1, 1, 3, 0b110)], retry_sequence=sequence)
            await StateRecord(client, "position.loki").write(write_position(moved))
            async with sending(client, loki) as engine:
                async with asyncio.timeout(40):
                    while engine.report()["parked"] != 2:
                        await asyncio.sleep(0.01)
                await until_sent(engine, 1)
                letters = {found.subject.rpartition(".")[2]: found for found in await dead_letters(client)}
                assert set(letters) == {f"r{sequence}", "2", "3"}
                assert unpack(letters[f"r{sequence}"].payload) == [b"{}"]
                assert [message async for message in RetryStore(client, "loki").waiting()] == []

    asyncio.run(main())
    assert_once(loki.lines, [event])


def test_parked_events_that_are_large_are_replayed_in_pages_that_can_be_read_again(
    server: NatsServer, loki: Loki
) -> None:
    """Together they would unpack to more than an envelope may: they would be lost with the page that holds them."""
    events = [make_event(number, message=" " * 1_500_000) for number in range(1, 51)]

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS, "loki")
            store = DeadLetterStore(client, "loki")
            for number, event in enumerate(events, 1):
                await store.park(number, 1, orjson.dumps(event), "max entry size exceeded")
            parked = Position(2, 51, 1, counts={Outcome.PARKED: 50})
            await StateRecord(client, "position.loki").write(write_position(parked))
            async with sending(client, loki) as engine:
                assert await engine.parked.replay([str(number) for number in range(1, 51)]) == {}
                async with asyncio.timeout(60):
                    while engine.report()["parked"] != 50 or engine.report()["retrying"]:
                        await asyncio.sleep(0.01)
            for letter in await store.all():
                assert orjson.loads(letter.event() or b"") == events[(letter.offset or 0) - 1]
            assert len(await store.all()) == 50

    asyncio.run(main())


@given(st.lists(st.integers(0, 3 * MAX_PAGE_BYTES) | st.integers(0, 9), max_size=1200))
def test_pages_are_neither_too_long_nor_too_large(sizes: list[int]) -> None:
    parts = [sizes[part] for part in in_pages(sizes)]
    assert [size for part in parts for size in part] == sizes
    assert all(0 < len(part) <= MAX_PAGE_EVENTS and (len(part) == 1 or sum(part) <= MAX_PAGE_BYTES) for part in parts)


def test_what_was_evicted_before_it_was_read_is_counted(server: NatsServer, loki: Loki) -> None:
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

    asyncio.run(main())


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


class RefusingSink(HangingSink):
    """What would hang is refused instead."""

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        if destination.tenant_id and not self.answering.is_set():
            return Answer(PushStatus.RETRY, "told to")
        return super().push(destination, entries)


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
