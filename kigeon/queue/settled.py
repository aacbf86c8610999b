"""The Watcher's books where nothing was stored: a record for batches of which nothing was new."""

from __future__ import annotations

import logging

import orjson
from nats.aio.client import Client

from kigeon.events.mark import Mark, read_mark, write_mark
from kigeon.queue.publisher import Tail
from kigeon.queue.state import StateRecord

log = logging.getLogger(__name__)


class SettledBooks:
    """The record ``queue.settled``: a mark, and the next running number when it was written."""

    def __init__(self, client: Client) -> None:
        self._record = StateRecord(client, "queue.settled")

    async def latest(self, tail: Tail) -> Mark:
        """Return the later of the record and the mark at *tail*; :class:`QueueError` when the queue is away."""
        number, mark = _read(await self._record.read())
        return mark if number >= tail.next_number and mark != Mark() else tail.mark

    async def write(self, mark: Mark, next_number: int) -> None:
        """Make *mark* durable; errors as :meth:`StateRecord.write`."""
        await self._record.write(orjson.dumps({"number": next_number, "mark": write_mark(mark)}))


def _read(value: bytes | None) -> tuple[int, Mark]:
    if value is None:
        return 0, Mark()
    try:
        record = orjson.loads(value)
        return int(record["number"]), read_mark(str(record["mark"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("the record of the Watcher's books can't be read", extra={"error": str(error)})
        return 0, Mark()
