"""Who writes, and what was written, is never guessed: lost answers, foreign writers, streams that were made anew."""

import asyncio

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import Fenced, QueueError
from kigeon.events.envelope import Envelope, read_headers
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.queue.log.end import read_log_end
from kigeon.queue.log.protocol import Disturbed, LogEnd, QueueOpened, Store
from kigeon.queue.log.publisher import Publisher
from kigeon.queue.log.writer import Report
from kigeon.queue.stores.state import StateRecord
from tests.queue.wire import wire
from tests.support.names import EVENTS, EVENTS_SUBJECT, SEEN, STATE
from tests.support.writing import Writing, durable, envelope, run_with_client, stored, writing


def is_disturbed(reports: list[Report]) -> bool:
    return isinstance(reports[-1], Disturbed)


def is_opened(reports: list[Report]) -> bool:
    return isinstance(reports[-1], QueueOpened)


async def go_on(work: Writing, epoch: int, *batches: Envelope) -> LogEnd:
    """Begin an epoch, store batches in it, and return where it began."""
    work.writer.begin(epoch)
    await work.until(is_opened)
    opened = work.reports[-1]
    assert isinstance(opened, QueueOpened)
    before = durable(work.reports)
    for order, batch in enumerate(batches, 1):
        work.writer.store(Store(epoch, order, order, batch))
    await work.until(lambda reports: durable(reports) == before + len(batches))
    return opened.log_end


def test_a_publish_whose_answer_was_lost_is_found(server: NatsServer, settings: QueueSettings) -> None:
    async def test() -> None:
        async with wire(server.url) as line, connected(QueueAddress(line.url, server.token), "test") as client:
            await declare(client, settings)
            publisher = Publisher(client, settings, 0.3)
            line.lose = b'"stream":"kigeon-events"'
            assert await publisher.publish(envelope(1, 2)) == LogEnd(1, 3, "2")
            assert line.lost == 1
            assert await publisher.publish(envelope(3)) == LogEnd(2, 4, "3")
            assert [read_headers(message.headers).first for message in await stored(client)] == [1, 3]

    asyncio.run(test())


def test_a_record_whose_answer_was_lost_is_written_again_by_its_owner(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def test() -> None:
        async with wire(server.url) as line, connected(QueueAddress(line.url, server.token), "test") as client:
            await declare(client, settings)
            record = StateRecord(client, "position.a", timeout=0.3)
            line.lose = b'"stream":"KV_kigeon-state"'
            with pytest.raises(QueueError):
                await record.write(b"1")
            assert line.lost == 1
            await record.write(b"1")
            await record.write(b"2")
            assert await StateRecord(client, "position.a").read() == b"2"

    asyncio.run(test())


def test_a_publisher_that_did_not_write_the_last_batch_is_fenced(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        first, second = (Publisher(client, settings, 5.0) for _ in range(2))
        await first.publish(envelope(1))
        with pytest.raises(Fenced, match="ends at 1, not at 0"):
            await second.publish(envelope(1))
        assert len(await stored(client)) == 1

    run_with_client(server, test)


def test_after_a_foreign_writer_numbers_go_on_without_a_gap(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as first, writing(client, settings) as second:
            first.store(envelope(1, 2))
            await first.until(lambda reports: durable(reports) == 1)
            second.store(envelope(9))
            await second.until(is_disturbed)
            assert await go_on(second, 2, envelope(3, 4, 5)) == LogEnd(1, 3, "2")
            first.store(envelope(6))
            await first.until(is_disturbed)
            assert await go_on(first, 2, envelope(6)) == LogEnd(2, 6, "5")
        headers = [read_headers(message.headers) for message in await stored(client)]
        assert [(header.first, header.count) for header in headers] == [(1, 2), (3, 3), (6, 1)]

    run_with_client(server, test)


def test_a_message_that_is_no_envelope_is_passed_by(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1))
            await work.until(lambda reports: durable(reports) == 1)
            await client.jetstream().publish(EVENTS_SUBJECT, b"not ours", stream=EVENTS)
            work.store(envelope(2))
            await work.until(is_disturbed)
            assert await go_on(work, 2, envelope(2), envelope(3)) == LogEnd(2, 2, "1")
        messages = await stored(client)
        assert [read_headers(messages[index].headers).first for index in (0, 2, 3)] == [1, 2, 3]
        log_end, runs = await read_log_end(client, LogEnd())
        assert log_end == LogEnd(4, 4, "3")
        assert runs == [(number, envelope(number).digests) for number in (1, 2, 3)]

    run_with_client(server, test)


def test_numbers_go_on_although_the_stream_was_made_anew(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1, 2))
            await work.until(lambda reports: durable(reports) == 1)
            await work.writer.close()
            assert (await client.jetstream().stream_info(SEEN)).state.messages == 1
            await client.jetstream().delete_stream(EVENTS)
            work.store(envelope(3))
            await work.until(is_disturbed)
            assert "damaged, or made anew" in str(work.reports[-1])
            assert await go_on(work, 2, envelope(3)) == LogEnd(0, 3)
        assert [(m.sequence, read_headers(m.headers).first) for m in await stored(client)] == [(1, 3)]

    run_with_client(server, test)


def test_numbers_go_on_although_nothing_is_left_that_tells_them(server: NatsServer, settings: QueueSettings) -> None:
    """The writer itself knows which numbers it gave out."""

    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1, 2))
            await work.until(lambda reports: durable(reports) == 1)
            for stream in (EVENTS, SEEN, f"KV_{STATE}"):
                await client.jetstream().delete_stream(stream)
            work.store(envelope(3))
            await work.until(is_disturbed)
            assert await go_on(work, 2, envelope(3)) == LogEnd(0, 3)

    run_with_client(server, test)
