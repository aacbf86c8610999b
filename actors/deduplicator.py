"""The Deduplicator lets through events that were not seen within the lifetime; it knows that from the streams alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.base import KigeonActor
from actors.messages import Batch, Connect, QueueOpened, Resume, Resync, Start, Store, Stored
from actors.sequence import InOrder
from kigeon.backoff import persistently
from kigeon.clock import SteadyClock
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.observability.latest import new_of
from kigeon.observability.passing import Passing, PassingEvents
from kigeon.queue.broker.connection import connect
from kigeon.queue.broker.stream_configs import digest_ttl, digest_ttl_of
from kigeon.queue.dedup.digests import DigestMemory
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.dedup.rebuild import catch_up, rebuild

FORGET_EVERY = 30.0

LOST_AFTER = 1.0
"""Seconds after which a message that was overtaken counts as lost."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The memory holds all that the stream holds: the epoch can begin."""

    opened: QueueOpened


class Forget:
    """It is time to forget old digests."""


class Deduplicator(KigeonActor):
    """Works between Watcher and Queue. An epoch begins for it when the Queue has told the end of the stream."""

    def started(self, start: Start) -> None:
        """Prepare an empty memory."""
        self._queue_address = start.queue
        self._deduplication = Deduplication(DigestMemory(digest_ttl_of(start.settings.queue)), SteadyClock())
        self._opened: asyncio.Queue[QueueOpened] | None = None
        self._connect = Connect(0, None, None, None)
        self._early: QueueOpened | None = None
        self._is_open = False
        self._opening = 0
        self._sequence = -1
        self._batches: InOrder[Batch] = InOrder()
        self._next_store_seq = 1
        self._checkpoint = WatcherCheckpoint()
        self._passing = PassingEvents()

    async def work(self) -> None:
        """Rebuild the memory, and bring it up to date at the beginning of each epoch."""
        self._opened = asyncio.Queue()
        client = await connect(self._queue_address, self.name)
        self.post(None)
        asyncio.get_running_loop().create_task(self._remind())
        while True:
            opened = await self._opened.get()
            self._deduplication.remember_for(digest_ttl(opened.log_end.checkpoint.lifetime))
            if self._sequence < 0 or self._sequence > opened.log_end.sequence:
                self._sequence = await persistently(
                    "rebuilding the memory of events", lambda: rebuild(client, self._deduplication)
                )
            else:
                self._sequence = await persistently(
                    "bringing the memory of events up to date",
                    lambda: catch_up(client, self._deduplication, self._sequence),
                )
            self.post(CaughtUp(opened))

    def receiveMsg_Connect(self, message: Connect, sender: Any) -> None:
        """Note the actors of the epoch, and let nothing through until the Queue has told the end of the stream."""
        if message.epoch != self._connect.epoch:
            self._connect, self._is_open = message, False
        if self._early is not None:
            self.receiveMsg_QueueOpened(self._early, sender)

    def receiveMsg_QueueOpened(self, message: QueueOpened, sender: Any) -> None:
        """Forget batches on their way, and read which are stored. If this comes again, tell the Watcher again."""
        self._early = message if message.epoch > self._connect.epoch else None
        if message.epoch != self._connect.epoch:
            return
        if self._is_open:
            self.send(self._connect.watcher, _resume(message))
        elif self._opening != message.epoch and self.loop is not None:
            self._opening = message.epoch
            self._deduplication.restart()
            self._passing.restart()
            self.loop.spawn(self._hand_over(message))

    def receiveMsg_Batch(self, message: Batch, sender: Any) -> None:
        """Examine the batches whose turn it is: messages may overtake one another."""
        if self._is_open and message.epoch == self._connect.epoch:
            for batch in self._batches.accept(message.batch_seq, message):
                self._examine(batch)

    def _examine(self, message: Batch) -> None:
        """Pass on the new events, and the checkpoint in any case, which has to be as durable as the events."""
        examined = self._deduplication.examine(message.batch_seq, message.envelope)
        self._checkpoint = self._checkpoint.after(message.delta, examined.repeated)
        self._deduplication.remember_for(digest_ttl(self._checkpoint.lifetime))
        passing = Passing(
            [message.kinds[index] for index in examined.new if message.kinds],
            new_of(message.latest, message.envelope.count, examined.new),
        )
        passed = examined.envelope.count if examined.envelope else 0
        self._passing.examined(message.batch_seq, passing, passed, examined.repeated)
        store = Store(message.epoch, self._next_store_seq, message.batch_seq, examined.envelope, self._checkpoint)
        self.send(self._connect.queue, store)
        self._next_store_seq += 1

    def receiveMsg_Stored(self, message: Stored, sender: Any) -> None:
        """Keep the digests of a batch for good."""
        if message.epoch == self._connect.epoch:
            self._deduplication.stored(message.batch_seq)
            self._passing.stored(message.batch_seq, time.monotonic())
            self._sequence = max(self._sequence, message.sequence)

    def posted(self, item: Any) -> None:
        """Begin the epoch, or forget old digests."""
        if isinstance(item, Forget):
            self._deduplication.forget()
        elif isinstance(item, CaughtUp) and item.opened.epoch == self._connect.epoch:
            opened = item.opened
            self._is_open, self._next_store_seq, self._checkpoint = True, 1, opened.log_end.checkpoint
            self._batches.restart()
            self.send(self._connect.watcher, _resume(opened))

    def report(self) -> Mapping[str, Any]:
        """Report how many events were let through and how many were not; ask for a new epoch if a batch was lost."""
        if self._is_open and self._batches.is_missing_one(LOST_AFTER):
            self._batches.restart()
            self._is_open = False
            self.send(self.supervisor, Resync(self._connect.epoch, "a batch from the Watcher was lost"))
        return {**self._passing.report(time.monotonic()), "remembered": len(self._deduplication)}

    async def _hand_over(self, opened: QueueOpened) -> None:
        while self._opened is None:
            await asyncio.sleep(0.01)
        await self._opened.put(opened)

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY)
            self.post(Forget())


def _resume(opened: QueueOpened) -> Resume:
    return Resume(opened.epoch, opened.log_end.resource_version, opened.log_end.checkpoint)
