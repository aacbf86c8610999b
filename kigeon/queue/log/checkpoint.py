"""The record of the Watcher's checkpoint after batches without new events, which are not stored."""

from __future__ import annotations

import logging

import orjson
from nats.aio.client import Client

from kigeon.events.checkpoint import WatcherCheckpoint, read_checkpoint, write_checkpoint
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores.state import StateRecord

log = logging.getLogger(__name__)


class CheckpointRecord:
    """The record ``queue.settled``: a checkpoint, and the next offset when it was written."""

    def __init__(self, client: Client) -> None:
        self._record = StateRecord(client, "queue.settled")

    async def latest(self, log_end: LogEnd) -> WatcherCheckpoint:
        """Return the later of the record and the checkpoint at *log_end*. Raises :class:`QueueError`."""
        offset, checkpoint = _read(await self._record.read())
        return checkpoint if offset >= log_end.next_offset and checkpoint != WatcherCheckpoint() else log_end.checkpoint

    async def write(self, checkpoint: WatcherCheckpoint, next_offset: int) -> None:
        """Make *checkpoint* durable; errors as :meth:`StateRecord.write`."""
        await self._record.write(orjson.dumps({"number": next_offset, "mark": write_checkpoint(checkpoint)}))


def _read(value: bytes | None) -> tuple[int, WatcherCheckpoint]:
    if value is None:
        return 0, WatcherCheckpoint()
    try:
        record = orjson.loads(value)
        return int(record["number"]), read_checkpoint(str(record["mark"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("the record of the Watcher's checkpoint can't be read", extra={"error": str(error)})
        return 0, WatcherCheckpoint()
