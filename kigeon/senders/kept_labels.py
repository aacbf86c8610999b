"""The namespaces' labels outlive the sender that judges by them: one record for all senders that have a filter.

It is written when something has changed, at most once in :data:`WRITE_EVERY` seconds, with a compare-and-set. Whoever
comes second reads what the first wrote, adds it to what it knows, and writes only what that does not hold.
"""

from __future__ import annotations

import asyncio
import logging

from kigeon.errors import Fenced, QueueError
from kigeon.kube.namespaces import Namespaces
from kigeon.queue.stores.state import StateRecord

log = logging.getLogger(__name__)

WRITE_EVERY = 10.0
TRIES = 5
"""Against others who write at the same time; the next turn comes anyway."""


class KeptLabels:
    """Keeps the *record* as *namespaces* are; ``read`` was called on the record before.

    What the namespaces' first list told may be there already: it is a change like any other since that.
    """

    def __init__(self, record: StateRecord, namespaces: Namespaces) -> None:
        self._record = record
        self._namespaces = namespaces
        self._written = 0

    async def run(self) -> None:
        """Write what has changed, for ever; a queue that is away is waited for."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.save()

    async def save(self) -> None:
        """Write what has changed, if anything has."""
        changes, record = self._namespaces.changes, b""
        if changes == self._written:
            return
        try:
            for _ in range(TRIES):
                changes, record = self._namespaces.record()
                try:
                    await self._record.write(record)
                    break
                except Fenced:
                    self._namespaces.recall(await self._record.read())
        except QueueError as error:
            log.warning("the labels of namespaces are not kept now", extra={"error": str(error)})
            return
        self._written = changes
