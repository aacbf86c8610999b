"""The Queue's work: store what comes in order, say what is durable, compact when there is time.

Everything on the way to the stream belongs to an *epoch*. A new one begins when the Watcher, the Deduplicator or the
Queue was replaced, or something was lost between them: what is older is dropped (its sender still has it), the end
of the stream is announced, and from there all go on. In an epoch batches come numbered without gaps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from nats.aio.client import Client

from kigeon.backoff import persistently
from kigeon.config.settings import Settings
from kigeon.errors import Fenced, QueueError
from kigeon.events.envelope import Envelope
from kigeon.queue.compaction import Compactor
from kigeon.queue.publisher import Publisher, Tail
from kigeon.queue.streams import declare

log = logging.getLogger(__name__)

QUIET = 5.0
"""Seconds without a batch after which digests are compacted."""


@dataclass(frozen=True, slots=True)
class ToStore:
    """A batch to be stored: ``order`` counts from 1 in its epoch, ``number`` is the Watcher's own."""

    epoch: int
    order: int
    number: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Opened:
    """An epoch has begun; the events stream ends here."""

    epoch: int
    tail: Tail


@dataclass(frozen=True, slots=True)
class Durable:
    """A batch is stored, at ``sequence``."""

    epoch: int
    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Something was lost or somebody else wrote: an epoch has to begin."""

    reason: str


Report = Opened | Durable | Disturbed


class Writer:
    """Owned by one event loop; ``report`` is called from it. ``alarm`` says that the server needs a restart."""

    def __init__(
        self, client: Client, settings: Settings, report: Callable[[Report], None], alarm: Callable[[str], None]
    ) -> None:
        self._client = client
        self._settings = settings.queue
        self._report = report
        self._publisher = Publisher(client, settings.queue, settings.pusher.push_timeout, alarm)
        self._compactor = Compactor(client, settings.queue)
        self._jobs: asyncio.Queue[ToStore | int] = asyncio.Queue()
        self._epoch = 0
        self._opened = 0
        self._next_order = 1

    def begin(self, epoch: int) -> None:
        """Begin an epoch after what is being stored now; one that has begun is announced again."""
        self._epoch = epoch
        self._jobs.put_nowait(epoch)

    def store(self, batch: ToStore) -> None:
        """Store *batch* after those before it."""
        self._jobs.put_nowait(batch)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._open()
        while True:
            try:
                job = await asyncio.wait_for(self._jobs.get(), QUIET)
            except TimeoutError:
                await self._compact()
                continue
            if isinstance(job, ToStore):
                await self._store(job)
            elif job == self._epoch:
                if job != self._opened:
                    self._opened, self._next_order = job, 1
                self._report(Opened(job, self._publisher.tail))

    async def close(self) -> None:
        """Compact what is due, so that the next start has less to read."""
        await self._compact()

    async def _open(self) -> None:
        async def open_() -> Tail:
            await declare(self._client, self._settings)
            return await self._compactor.open()

        self._publisher.begin(await persistently("opening the events stream", open_))
        log.info("the events stream is open", extra={"sequence": self._publisher.tail.sequence})

    async def _store(self, batch: ToStore) -> None:
        if batch.epoch != self._epoch:
            return
        if batch.order != self._next_order:
            self._report(Disturbed(f"batch {batch.order} came where {self._next_order} was due"))
            return
        try:
            tail = await self._publisher.publish(batch.envelope)
        except Fenced as error:
            log.error("another kigeon writes to the events stream", extra={"error": str(error)})
            self._epoch = self._opened = 0
            await self._open()
            self._report(Disturbed(str(error)))
            return
        self._next_order += 1
        self._compactor.stored(batch.envelope)
        self._report(Durable(batch.epoch, batch.number, tail.sequence))
        if self._compactor.is_due:
            await self._compact()

    async def _compact(self) -> None:
        """Compact once; what fails is due again after the next batch. Storing events never waits for it."""
        try:
            await self._compactor.compact(self._publisher.tail)
        except QueueError as error:
            log.warning("compacting digests failed, trying again later", extra={"error": str(error)})
            if self._client.is_connected:
                await self._declare_again()
        except Fenced as error:
            log.error("another kigeon compacts digests", extra={"error": str(error)})
            await self._open()

    async def _declare_again(self) -> None:
        """A stream that is missing (its metadata were damaged) comes back, with its messages, when it is declared."""
        try:
            await declare(self._client, self._settings)
        except QueueError as error:
            log.warning("declaring the streams failed", extra={"error": str(error)})
