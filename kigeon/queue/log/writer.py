"""The Queue's work: store batches in order, say which are durable, compact digests when there is time.

Every batch on the way to the stream belongs to an *epoch*. A new epoch begins when the Watcher, the Deduplicator or
the Queue was replaced, or a message between them was lost. Then older batches are dropped (whoever sent them still has
them), the end of the stream is announced, and all go on from there. In an epoch batches are numbered without gaps.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from nats.aio.client import Client

from kigeon.backoff import persistently
from kigeon.config.settings import Settings
from kigeon.errors import Fenced, QueueError
from kigeon.queue.broker.streams import declare, remember_observed
from kigeon.queue.log.checkpoint import CheckpointRecord
from kigeon.queue.log.compaction import Compactor
from kigeon.queue.log.protocol import Disturbed, LogEnd, QueueOpened, Store, Stored
from kigeon.queue.log.publisher import Publisher
from kigeon.queue.log.turns import Turns
from kigeon.queue.stores.gone import GoneSenders

log = logging.getLogger(__name__)

QUIET = 5.0
"""Seconds without a batch after which digests are compacted."""


Report = QueueOpened | Stored | Disturbed


class Writer:
    """Stores batches. Owned by one event loop; ``report`` is called from this loop."""

    def __init__(self, client: Client, settings: Settings, report: Callable[[Report], None]) -> None:
        self._client = client
        self._settings = settings.queue
        self._report = report
        self._publisher = Publisher(client, settings.queue, settings.pusher.push_timeout)
        self._compactor = Compactor(client, settings.queue)
        self._books = CheckpointRecord(client)
        self._gone = GoneSenders(client, settings.queue, {sender.name for sender in settings.senders})
        self._jobs: asyncio.Queue[Store | int] = asyncio.Queue()
        self.is_open = False
        self.storing_since = 0.0
        """Since when, on the steady clock, a batch is being stored; 0 where none is."""
        self._turns = Turns()

    @property
    def log_end(self) -> LogEnd:
        """The end of the events stream as far as it is known."""
        return self._publisher.log_end

    def begin(self, epoch: int) -> None:
        """Begin an epoch after the batch that is being stored now; an epoch that has begun is announced again."""
        self._turns.begin(epoch)
        self._jobs.put_nowait(epoch)

    def store(self, batch: Store) -> None:
        """Store *batch* after those before it."""
        self._jobs.put_nowait(batch)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._open()
        while True:
            await self._look_after_gone()
            try:
                job = await asyncio.wait_for(self._jobs.get(), QUIET)
            except TimeoutError:
                await self._compact()
                continue
            if isinstance(job, Store):
                await self._store(job)
            elif self._turns.open(job):
                self._report(QueueOpened(job, self._publisher.log_end))

    async def close(self) -> None:
        """Compact the digests that are due, so that the next start has less to read."""
        await self._compact()

    async def _open(self) -> None:
        async def open_() -> LogEnd:
            await declare(self._client, self._settings)
            log_end = await self._compactor.open()
            # No offset is given out twice, even if its envelope is lost.
            batch_seq = max(log_end.next_offset, self.log_end.next_offset)
            return replace(log_end, next_offset=batch_seq, checkpoint=await self._books.latest(log_end))

        self.is_open, self.storing_since = False, time.monotonic()
        self._publisher.begin(await persistently("opening the events stream", open_))
        self.is_open, self.storing_since = True, 0.0
        log.info("the events stream is open", extra={"sequence": self._publisher.log_end.sequence})

    async def _store(self, batch: Store) -> None:
        if self._turns.is_over_for(batch):
            return
        if missing := self._turns.is_missing_one(batch):
            self._report(Disturbed(missing))
            return
        try:
            self.storing_since = time.monotonic()
            sequence = await self._settle(batch)
            self.storing_since = 0.0
        except Fenced as error:
            log.error("the events stream is not as it was left", extra={"error": str(error)})
            self._turns.end()
            await self._open()
            self._report(Disturbed(str(error)))
            return
        self._turns.stored()
        self._report(Stored(batch.epoch, batch.batch_seq, sequence))
        if self._compactor.is_due:
            await self._compact()

    async def _settle(self, batch: Store) -> int:
        """Make *batch*, or only its checkpoint, durable; return its sequence, 0 for a checkpoint."""
        sequence = 0
        if batch.checkpoint.lifetime not in (0.0, self.log_end.checkpoint.lifetime):
            await persistently(
                "remembering events for as long as they live", lambda: self._remember(batch.checkpoint.lifetime)
            )
        if batch.envelope is not None:
            first = self.log_end.next_offset
            sequence = (await self._publisher.publish(batch.envelope, batch.checkpoint)).sequence
            self._compactor.stored(batch.envelope, first)
        else:
            batch_seq = self.log_end.next_offset
            await persistently("settling the books", lambda: self._books.write(batch.checkpoint, batch_seq))
            self._publisher.note(batch.checkpoint)
        return sequence

    async def _remember(self, lifetime: float) -> None:
        await remember_observed(self._client, self._settings, lifetime)

    async def _compact(self) -> None:
        """Compact once; after a failure compaction is due again with the next batch. Storing never waits for it."""
        try:
            await self._compactor.compact(self._publisher.log_end)
        except QueueError as error:
            log.warning("compacting digests failed, trying again later", extra={"error": str(error)})
            if self._client.is_connected:
                await self._declare_again()
        except Fenced as error:
            log.error("another kigeon compacts digests", extra={"error": str(error)})
            await self._open()

    async def _look_after_gone(self) -> None:
        """Look once an hour for senders that are gone; after a failure try again an hour later."""
        if self._gone.is_due:
            try:
                await self._gone.look()
            except QueueError as error:
                log.warning("looking after senders that are gone failed", extra={"error": str(error)})

    async def _declare_again(self) -> None:
        """Declare the streams: one that is missing because its metadata were damaged comes back with its messages."""
        try:
            await declare(self._client, self._settings)
        except QueueError as error:
            log.warning("declaring the streams failed", extra={"error": str(error)})
