"""Keeps the namespaces' labels for the next run, in one record for all senders that have a filter.

The record is written when labels have changed, at most once in :data:`WRITE_EVERY` seconds, with a compare-and-set. A
sender whose write comes second reads the other's record, adds it to its own labels, and writes again only if labels are
missing there.
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
"""Attempts while other senders write at the same time; the next turn comes anyway."""


class KeptLabels:
    """Writes the labels of *namespaces* to *record*, whose ``read`` was called before.

    The namespaces' first list counts as a change, too.
    """

    def __init__(self, record: StateRecord, namespaces: Namespaces) -> None:
        self._record = record
        self._namespaces = namespaces
        self._written = 0

    async def run(self) -> None:
        """Write changes, for ever; while the queue is away, try again later."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.save()

    async def save(self) -> None:
        """Write the labels if they have changed."""
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
