"""The queue on a real nats-server: what is stored is stored once, in order, and remembered."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from nats.aio.client import Client

from kigeon.clock import SteadyClock
from kigeon.config.settings import QueueSettings
from kigeon.errors import DataDirectoryInUse, Fenced, QueueError, StartError
from kigeon.events.envelope import read_headers, unpack
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import StreamMessage, scan
from kigeon.queue.broker.streams import declare
from kigeon.queue.dedup.digests import DigestMemory
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.dedup.rebuild import catch_up, rebuild
from kigeon.queue.log.protocol import Disturbed, QueueOpened
from kigeon.queue.log.reader import EventLog
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from tests.support.names import DEAD_LETTER, DEAD_LETTER_SUBJECT
from tests.support.writing import durable, envelope, run_with_client, stored, writing


def test_batches_are_stored_in_order_with_running_numbers(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            batches = [envelope(1, 2), envelope(3), envelope(4, 5, 6)]
            for batch in batches:
                work.store(batch)
            await work.until(lambda reports: durable(reports) == 3)
        messages = await stored(client)
        assert [message.payload for message in messages] == [batch.payload for batch in batches]
        assert [read_headers(message.headers).first for message in messages] == [1, 3, 4]

    run_with_client(server, test)


def test_a_server_that_is_killed_under_way_loses_nothing_and_doubles_nothing(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            for number in range(1, 301):
                work.store(envelope(number))
                if number % 100 == 50:
                    await work.until(lambda reports, so_far=number: durable(reports) > so_far // 2)
                    os.kill(server.pid, signal.SIGKILL)
                    server.restart()
            await work.until(lambda reports: durable(reports) == 300)
        headers = [read_headers(message.headers) for message in await stored(client)]
        assert [header.first for header in headers] == list(range(1, 301))
        assert [int.from_bytes(header.digests, "big") for header in headers] == list(range(1, 301))

    run_with_client(server, test)


def test_a_second_writer_is_noticed_and_what_it_wrote_is_gone_on_from(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as first, writing(client, settings) as second:
            first.store(envelope(1))
            await first.until(lambda reports: durable(reports) == 1)
            second.store(envelope(2))
            await second.until(lambda reports: any(isinstance(report, Disturbed) for report in reports))
            second.writer.begin(2)
            await second.until(lambda reports: isinstance(reports[-1], QueueOpened))
            opened = second.reports[-1]
            assert isinstance(opened, QueueOpened)
            assert (opened.log_end.sequence, opened.log_end.next_offset) == (1, 2)
            assert len(await stored(client)) == 1

    run_with_client(server, test)


def test_a_batch_of_an_earlier_epoch_is_not_stored_and_a_gap_is_told(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.writer.begin(2)
            work.store(envelope(1), epoch=1)
            work.store(envelope(2), epoch=2)
            await work.until(lambda reports: any(isinstance(report, Disturbed) for report in reports))
        assert await stored(client) == []

    run_with_client(server, test)


def test_the_memory_outlives_the_events_themselves(server: NatsServer, settings: QueueSettings) -> None:
    """The stream holds a few megabytes; what was evicted from it is remembered all the same."""

    async def test(client: Client) -> None:
        numbers = range(1, 601)
        async with writing(client, settings) as work:
            for number in numbers:
                work.store(envelope(number, size=10_000))
            await work.until(lambda reports: durable(reports) == len(numbers))
        assert 0 < len(await stored(client)) < len(numbers)
        memory = DigestMemory(3600)
        await rebuild(client, Deduplication(memory, SteadyClock()))
        known = [int.from_bytes(number.to_bytes(8, "big"), "little") for number in numbers]
        assert memory.missing(known) == []

    run_with_client(server, test)


def test_a_clock_that_was_set_costs_no_memory(server: NatsServer, settings: QueueSettings) -> None:
    """A Deduplicator that begins with a clock hours ahead knows what the last one knew."""

    async def test(client: Client) -> None:
        deduplication = Deduplication(DigestMemory(3600), SteadyClock(lambda: time.time() + 5 * 3600))
        async with writing(client, settings) as work:
            work.store(envelope(1))
            await work.until(lambda reports: durable(reports) == 1)
            with patch("kigeon.queue.dedup.rebuild.time.time", lambda: time.monotonic() + 1e10):
                await rebuild(client, deduplication)
        assert deduplication.forget() == 0
        assert len(deduplication) == 1

    run_with_client(server, test)


def test_a_memory_is_brought_up_to_date_from_where_it_was(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        deduplication = Deduplication(DigestMemory(3600), SteadyClock())
        async with writing(client, settings) as work:
            work.store(envelope(1))
            await work.until(lambda reports: durable(reports) == 1)
            assert await rebuild(client, deduplication) == 1
            work.store(envelope(2, 3))
            await work.until(lambda reports: durable(reports) == 2)
            assert await catch_up(client, deduplication, 1) == 2
        assert len(deduplication) == 3

    run_with_client(server, test)


def test_a_record_has_one_owner(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        first, second = StateRecord(client, "position.a"), StateRecord(client, "position.a")
        assert await first.read() is None
        await first.write(b"1")
        await first.write(b"2")
        assert await second.read() == b"2"
        await second.write(b"3")
        with pytest.raises(Fenced):
            await first.write(b"4")

    run_with_client(server, test)


def test_a_reader_goes_on_where_it_was_when_its_consumer_is_gone(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1))
            work.store(envelope(2))
            await work.until(lambda reports: durable(reports) == 2)
            log = EventLog(client, settings)
            await log.seek(2)
            assert [message.sequence for message in await log.next()] == [2]
            os.kill(server.pid, signal.SIGKILL)
            server.restart()
            work.store(envelope(3))
            await work.until(lambda reports: durable(reports) == 3)
            found: list[StreamMessage] = []
            async with asyncio.timeout(20):
                while not found:
                    with suppress(QueueError):
                        found = await log.next()
            assert [message.sequence for message in found] == [3]

    run_with_client(server, test)


def test_an_event_that_is_parked_twice_is_there_once(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        store = DeadLetterStore(client, "loki")
        await store.park(7, 1, b"{}", "too old")
        await store.park(7, 1, b"{}", "too\nold")
        await store.park(8, 1, b"{}", "too old")
        found = [message async for message in scan(client, DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.loki.*", 1)]
        assert [message.subject.rpartition(".")[2] for message in found] == ["7", "8"]
        assert found[0].headers["Kigeon-Reason"] == "too old"

    run_with_client(server, test)


def test_the_retry_streams_of_two_senders_are_apart(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        for name in ("a", "b"):
            await declare(client, settings, name)
        first, second = RetryStore(client, "a"), RetryStore(client, "b")
        sequence = await first.put("http://loki", [b"1", b"2"], [7, 9], 123.5)
        await second.put("hook", [b"3"], [8], 1.0)
        (waiting,) = [message async for message in first.waiting()]
        assert (waiting.sequence, waiting.key, waiting.offsets, waiting.stored_at) == (
            sequence,
            "http://loki",
            (7, 9),
            123.5,
        )
        found = await first.next("http://loki", 1)
        assert found is not None
        assert unpack(found.payload) == [b"1", b"2"]
        assert [message async for message in first.waiting(after=sequence)] == []
        await first.delete(sequence)
        await first.delete(sequence)
        assert [message async for message in first.waiting()] == []
        assert len([message async for message in second.waiting()]) == 1

    run_with_client(server, test)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_message_of_the_retry_stream_may_be_deleted_again(
    server: NatsServer, settings: QueueSettings, place: int
) -> None:
    """The answer may have been lost. The server says what is gone in one way at the stream's start, else in another."""

    async def test(client: Client) -> None:
        await declare(client, settings, "a")
        store = RetryStore(client, "a")
        sequences = [await store.put("hook", [b"1"], (number,), 1.0) for number in (1, 2, 3)]
        gone = sequences.pop(place)
        await store.delete(gone)
        await store.delete(gone)
        await store.delete(99)
        assert [waiting.sequence async for waiting in store.waiting()] == sequences

    run_with_client(server, test)


def test_a_directory_has_one_server(server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kigeon.queue.broker.lock.LOCK_PATIENCE", 0.05)
    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"), NatsServer(tmp_path / "data", 2**30):
        pass


def test_a_directory_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"global\.dataDir .*/file/data can't be used"):
        NatsServer(tmp_path / "file" / "data", 2**30).__enter__()


def test_a_restarted_server_listens_where_it_did(server: NatsServer) -> None:
    before = server.url
    server.restart()
    assert server.url == before
