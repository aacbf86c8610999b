"""The Queue: the one writer of the events stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from actors.base import KigeonActor
from actors.messages import BrokerFailing, Connect, QueueOpened, Resync, Start, Store, Stored
from actors.sequence import InOrder
from kigeon.errors import QueueError
from kigeon.queue.broker.connection import QueueClient
from kigeon.queue.broker.sizes import stream_sizes
from kigeon.queue.broker.streams import declaring
from kigeon.queue.log.protocol import Disturbed, LogEnd
from kigeon.queue.log.writer import Report, Writer

MEASURE_EVERY = 15.0
"""Seconds between two measurements of the streams' sizes; fewer at the start."""

LOST_AFTER = 1.0
"""Seconds after which a message that was overtaken counts as lost."""


class Queue(KigeonActor):
    """Stores batches through a Writer in its loop, and answers when they are durable.

    The Writer is told what to do between two turns of the loop. Before there is one, only the latest epoch matters.
    """

    def started(self, start: Start) -> None:
        """Prepare to write."""
        self._start = start
        self._client: QueueClient | None = None
        self._writer: Writer | None = None
        self._connect = Connect(0, None, None, None)
        self._batches: InOrder[Store] = InOrder()
        self._stored = 0
        self._storage: Mapping[str, Any] = {}

    async def work(self) -> None:
        """Write until the end."""
        self._client = client = QueueClient(self._start.queue, self._alarm, declaring(self._start.settings.queue))
        client.tenure = self.tenure
        await client.open(self.name)
        writer = Writer(client, self._start.settings, self.post)
        self.post(writer)
        measuring = asyncio.get_running_loop().create_task(self._measure(client))
        try:
            await writer.run()
        finally:
            measuring.cancel()

    async def _measure(self, client: QueueClient) -> None:
        """Measure the streams' sizes from time to time; after a failure the last sizes stay."""
        pause = 1.0
        while True:
            try:
                self._storage = await stream_sizes(client)
                if self._writer is not None and not self._writer.storing_since:
                    client.unstored = ""
                pause = min(2 * pause, MEASURE_EVERY)
            except QueueError as error:
                client.unstored, pause = client.unstored or str(error), 1.0
            await asyncio.sleep(pause)

    def receiveMsg_Connect(self, message: Connect, sender: Any) -> None:
        """Begin an epoch after the batch that is being stored."""
        if message.epoch != self._connect.epoch:
            self._batches.restart()
        self._connect = message
        if self._writer is not None:
            self._writer.begin(message.epoch)

    def receiveMsg_Store(self, message: Store, sender: Any) -> None:
        """Store the batches whose turn it is: messages may overtake one another."""
        if message.epoch != self._connect.epoch:
            return
        for ready in self._batches.accept(message.store_seq, message):
            if self._writer is not None:
                self._writer.store(ready)

    def posted(self, item: Any) -> None:
        """Pass on what the writer reports."""
        if isinstance(item, Writer):
            self._writer = item
            if self._connect.epoch:
                self.receiveMsg_Connect(self._connect, None)
        elif isinstance(item, BrokerFailing):
            self.send(self.supervisor, item)
        else:
            self._report(item)

    def report(self) -> Mapping[str, Any]:
        """Report how many batches were stored; ask for a new epoch when a batch was lost."""
        if self._batches.is_missing_one(LOST_AFTER):
            self._batches.restart()
            self.send(self.supervisor, Resync(self._connect.epoch, "a batch from the Deduplicator was lost"))
        log_end = self._writer.log_end if self._writer else LogEnd()
        stored = log_end.next_offset - 1
        return {
            "batches": self._stored,
            "sequence": log_end.sequence,
            "received": stored + log_end.checkpoint.repeated + log_end.checkpoint.unreadable,
            "stored": stored,
            "repeated": log_end.checkpoint.repeated,
            "unreadable": log_end.checkpoint.unreadable,
            "watchedUntil": log_end.checkpoint.watched_until,
            "open": bool(self._writer and self._writer.is_open),
            "storingSince": self._writer.storing_since if self._writer else 0.0,
            "streams": self._storage,
            "queueProblem": self._client.problem if self._client is not None else "it is not connected",
        }

    async def finish(self, grace: float) -> None:
        """Compact digests, so that the next start has less to read."""
        if self._writer is not None:
            await self._writer.close()

    def _alarm(self, reason: str) -> None:
        self.post(BrokerFailing(reason))

    def _report(self, report: Report) -> None:
        if isinstance(report, Stored):
            self._stored += report.sequence > 0
            self.send(self._connect.watcher, report)
            self.send(self._connect.deduplicator, report)
        elif isinstance(report, QueueOpened):
            self.send(self._connect.deduplicator, report)
        elif isinstance(report, Disturbed):
            self.send(self.supervisor, Resync(self._connect.epoch, report.reason))
