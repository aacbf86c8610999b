"""The Watcher's checkpoint after batches that had nothing new."""

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.log.checkpoint import CheckpointRecord
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores.state import StateRecord
from tests.support.writing import run_with_streams

IN_LOG = LogEnd(7, 20, "1", WatcherCheckpoint("s", 3))
LATER = WatcherCheckpoint("s", 5)


@pytest.mark.parametrize(("written_at", "expected"), [(19, IN_LOG.checkpoint), (20, LATER), (21, LATER)])
def test_the_later_of_record_and_stream_counts(
    server: NatsServer, settings: QueueSettings, written_at: int, expected: WatcherCheckpoint
) -> None:
    async def test(client: Client) -> None:
        record = CheckpointRecord(client)
        assert await record.latest(IN_LOG) == IN_LOG.checkpoint
        await record.write(LATER, written_at)
        assert await CheckpointRecord(client).latest(IN_LOG) == expected

    run_with_streams(server, settings, test)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"number": 99}', b'{"number": "x", "mark": "s 5"}', b"[" * 9999])
def test_a_damaged_record_leaves_the_stream_s_and_is_said(
    server: NatsServer, settings: QueueSettings, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(client: Client) -> None:
        record = StateRecord(client, "queue.settled")
        await record.read()
        await record.write(value)
        assert await CheckpointRecord(client).latest(IN_LOG) == IN_LOG.checkpoint

    run_with_streams(server, settings, test)
    assert "checkpoint can't be read" in caplog.text
