"""Where the stream ends, and whether it is still the same one: found out from what there is."""

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import POSITION_KEY, declare
from kigeon.queue.log.checkpoint import CheckpointRecord
from kigeon.queue.log.end import read_log_end, stream_was_recreated
from kigeon.queue.log.protocol import LogEnd, Store, Stored
from kigeon.queue.log.publisher import Publisher
from kigeon.queue.stores.state import StateRecord
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.writing import durable, envelope, run_with_client, writing

MARK = WatcherCheckpoint("s", 9, 3, 2, 8.0, 0.0)


async def publish(client: Client, settings: QueueSettings, log_end: LogEnd, *batches: list[int]) -> LogEnd:
    """Store *batches* after *log_end*."""
    publisher = Publisher(client, settings, 5.0)
    publisher.begin(log_end)
    for batch in batches:
        log_end = await publisher.publish(envelope(*batch))
    return log_end


async def make_anew(client: Client, settings: QueueSettings) -> None:
    await client.jetstream().delete_stream(EVENTS)
    await declare(client, settings)


def test_it_is_the_same_stream_whatever_was_evicted(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        log_end = await publish(client, settings, LogEnd(), [1, 2], [3], [4, 5])
        assert not await stream_was_recreated(client, 1, 1)
        for sequence, number in ((2, 3), (3, 4), (4, 6)):
            assert not await stream_was_recreated(client, sequence, number)
        await client.jetstream().purge_stream(EVENTS, seq=3)
        for sequence, number in ((2, 3), (3, 4), (4, 6)):
            assert not await stream_was_recreated(client, sequence, number)
        await client.jetstream().purge_stream(EVENTS)
        assert not await stream_was_recreated(client, log_end.sequence + 1, log_end.next_offset)

    run_with_client(server, test)


def test_a_stream_made_anew_is_another_however_long_it_has_grown(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        known = await publish(client, settings, LogEnd(), [1, 2], [3], [4, 5])
        await make_anew(client, settings)
        assert await stream_was_recreated(client, known.sequence + 1, known.next_offset)
        await publish(client, settings, LogEnd(next_offset=known.next_offset), [6], [7], [8], [9], [10])
        assert await stream_was_recreated(client, known.sequence + 1, known.next_offset)
        assert await stream_was_recreated(client, 2, 3)
        log_end, runs = await read_log_end(client, known)
        assert log_end == LogEnd(5, 11, "10")
        assert runs == [(number, envelope(number).digests) for number in range(6, 11)]

    run_with_client(server, test)


def test_a_stream_that_was_cut_short_is_another_once_it_has_grown_again(
    server: NatsServer, settings: QueueSettings
) -> None:
    """As damage cuts it: what was last is gone, and its sequence is given out again, to a later number."""

    async def test(client: Client) -> None:
        await declare(client, settings)
        await publish(client, settings, LogEnd(), [1], [2], [3])
        for batch in ([5], [6], [7]):
            log_end, _ = await read_log_end(client, LogEnd())
            await publish(client, settings, LogEnd(log_end.sequence, batch[0]), batch)
            assert await stream_was_recreated(client, 5, 5)
            assert not await stream_was_recreated(client, 4, 4)

    run_with_client(server, test)


def test_what_is_no_envelope_does_not_hide_which_stream_it_is(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        await client.jetstream().publish(EVENTS_SUBJECT, b"not ours", stream=EVENTS)
        await publish(client, settings, LogEnd(1, 7), [7], [8])
        assert await stream_was_recreated(client, 3, 7)
        assert not await stream_was_recreated(client, 3, 8)

    run_with_client(server, test)


def test_numbers_are_not_given_out_twice_though_every_envelope_has_expired(
    server: NatsServer, settings: QueueSettings
) -> None:
    """After a crash the record of what is covered is behind; what tells the numbers is how far the senders were."""

    async def test(client: Client) -> None:
        await declare(client, settings)
        await publish(client, settings, LogEnd(), [1, 2], [3], [4, 5])
        await StateRecord(client, f"{POSITION_KEY}.a").write(b'{"number":4}')
        await StateRecord(client, f"{POSITION_KEY}.b").write(b'{"number":6}')
        await StateRecord(client, f"{POSITION_KEY}.c").write(b'{"number":"7"}')
        await StateRecord(client, f"{POSITION_KEY}.d").write(b"damaged")
        # Believed, it would have every envelope from here on hold a number that no header may hold.
        await StateRecord(client, f"{POSITION_KEY}.e").write(b'{"number":18446744073709551615}')
        await client.jetstream().purge_stream(EVENTS)
        log_end, runs = await read_log_end(client, LogEnd(1, 3, "2"))
        assert (log_end.sequence, log_end.next_offset, runs) == (3, 6, [])

    run_with_client(server, test)


def test_marks_become_durable_with_or_without_events(server: NatsServer, settings: QueueSettings) -> None:
    async def test(client: Client) -> None:
        async with writing(client, settings) as work:
            work.writer.store(Store(1, 1, 1, envelope(1, 2), WatcherCheckpoint("s", 1, 0, 1)))
            work.writer.store(Store(1, 2, 2, None, WatcherCheckpoint("s", 2, 5, 1)))
            await work.until(lambda reports: durable(reports) == 2)
            assert [report.sequence for report in work.reports if isinstance(report, Stored)] == [1, 0]
            assert work.writer.log_end == LogEnd(1, 3, "2", WatcherCheckpoint("s", 2, 5, 1))
        async with writing(client, settings) as work:
            assert work.writer.log_end == LogEnd(1, 3, "2", WatcherCheckpoint("s", 2, 5, 1))
            work.writer.store(Store(1, 1, 3, envelope(3), WatcherCheckpoint("s", 3, 6, 1)))
            await work.until(lambda reports: durable(reports) == 1)
            await work.writer.close()
            await client.jetstream().purge_stream(EVENTS)
        async with writing(client, settings) as work:
            assert work.writer.log_end == LogEnd(2, 4, "3", WatcherCheckpoint("s", 3, 6, 1))

    run_with_client(server, test)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"[]", b"{}", b'{"number":9}', b'{"number":"x","mark":""}', b'{"number":9,"mark":"?"}', b'{"number":1e300}'],
)
def test_a_damaged_record_of_the_books_falls_back_to_the_stream(
    server: NatsServer, settings: QueueSettings, damaged: bytes
) -> None:
    async def test(client: Client) -> None:
        await declare(client, settings)
        await StateRecord(client, "queue.settled").write(damaged)
        assert await CheckpointRecord(client).latest(LogEnd(1, 3, "2", MARK)) == MARK

    run_with_client(server, test)
