"""The queue on a real nats-server: what is stored is stored once, in order, and remembered."""

import os
import signal
import time
from unittest.mock import patch

from nats.aio.client import Client

from kigeon.clock import SteadyClock
from kigeon.config.settings import QueueSettings
from kigeon.events.envelope import read_headers
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.dedup.digests import DigestMemory
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.dedup.rebuild import catch_up, rebuild
from kigeon.queue.log.protocol import Disturbed, QueueOpened
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
