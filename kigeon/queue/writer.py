"""The Queue's work: store what comes in order, say what is durable, compact when there is time.

Everything on the way to the stream belongs to an *epoch*. A new one begins when the Watcher, the Deduplicator or the
Queue was replaced, or something was lost between them: what is older is dropped (its sender still has it), the end
of the stream is announced, and from there all go on. In an epoch batches come numbered without gaps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from nats.aio.client import Client

from kigeon.backoff import persistently
from kigeon.config.settings import Settings
from kigeon.errors import Fenced, QueueError
from kigeon.events.envelope import EMPTY, Envelope
from kigeon.events.mark import Mark
from kigeon.queue.compaction import Compactor
from kigeon.queue.gone import GoneSenders
from kigeon.queue.publisher import Publisher, Tail
from kigeon.queue.settled import SettledBooks
from kigeon.queue.streams import declare, remember_observed

log = logging.getLogger(__name__)

QUIET = 5.0
"""Seconds without a batch after which digests are compacted."""


@dataclass(frozen=True, slots=True)
class ToStore:
    """A batch to be stored: ``order`` counts from 1 in its epoch, ``number`` is the Watcher's own.

    Where nothing of it is new there is no envelope, and its mark alone is made durable.
    """

    epoch: int
    order: int
    number: int
    envelope: Envelope | None
    mark: Mark = EMPTY


@dataclass(frozen=True, slots=True)
class Opened:
    """An epoch has begun; the events stream ends here."""

    epoch: int
    tail: Tail


@dataclass(frozen=True, slots=True)
class Durable:
    """A batch is settled: stored at ``sequence``, or 0 where nothing of it was new."""

    epoch: int
    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Something was lost or somebody else wrote: an epoch has to begin."""

    reason: str


Report = Opened | Durable | Disturbed


class Writer:
    """Owned by one event loop; ``report`` is called from it."""

    def __init__(self, client: Client, settings: Settings, report: Callable[[Report], None]) -> None:
        self._client = client
        self._settings = settings.queue
        self._report = report
        self._publisher = Publisher(client, settings.queue, settings.pusher.push_timeout)
        self._compactor = Compactor(client, settings.queue)
        self._books = SettledBooks(client)
        self._gone = GoneSenders(client, settings.queue, {sender.name for sender in settings.senders})
        self._jobs: asyncio.Queue[ToStore | int] = asyncio.Queue()
        self._epoch = 0
        self._opened = 0
        self._next_order = 1

    @property
    def tail(self) -> Tail:
        """The end of the events stream as far as it is known."""
        return self._publisher.tail

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
            await self._look_after_gone()
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
            tail = await self._compactor.open()
            # Numbers that were given out are not given out again, whatever became of their envelopes.
            number = max(tail.next_number, self.tail.next_number)
            return replace(tail, next_number=number, mark=await self._books.latest(tail))

        self._publisher.begin(await persistently("opening the events stream", open_))
        log.info("the events stream is open", extra={"sequence": self._publisher.tail.sequence})

    async def _store(self, batch: ToStore) -> None:
        if batch.epoch != self._epoch:
            return
        if batch.order != self._next_order:
            self._report(Disturbed(f"batch {batch.order} came where {self._next_order} was due"))
            return
        try:
            sequence = await self._settle(batch)
        except Fenced as error:
            log.error("the events stream is not as it was left", extra={"error": str(error)})
            self._epoch = self._opened = 0
            await self._open()
            self._report(Disturbed(str(error)))
            return
        self._next_order += 1
        self._report(Durable(batch.epoch, batch.number, sequence))
        if self._compactor.is_due:
            await self._compact()

    async def _settle(self, batch: ToStore) -> int:
        """Make *batch*, or only its mark, durable; return its sequence, 0 for a mark."""
        sequence = 0
        if batch.mark.lifetime not in (0.0, self.tail.mark.lifetime):
            await persistently(
                "remembering events for as long as they live", lambda: self._remember(batch.mark.lifetime)
            )
        if batch.envelope is not None:
            first = self.tail.next_number
            sequence = (await self._publisher.publish(batch.envelope, batch.mark)).sequence
            self._compactor.stored(batch.envelope, first)
        else:
            number = self.tail.next_number
            await persistently("settling the books", lambda: self._books.write(batch.mark, number))
            self._publisher.note(batch.mark)
        return sequence

    async def _remember(self, lifetime: float) -> None:
        await remember_observed(self._client, self._settings, lifetime)

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

    async def _look_after_gone(self) -> None:
        """Look, once an hour, for senders that are gone; what fails is tried an hour later."""
        if self._gone.is_due:
            try:
                await self._gone.look()
            except QueueError as error:
                log.warning("looking after senders that are gone failed", extra={"error": str(error)})

    async def _declare_again(self) -> None:
        """A stream that is missing (its metadata were damaged) comes back, with its messages, when it is declared."""
        try:
            await declare(self._client, self._settings)
        except QueueError as error:
            log.warning("declaring the streams failed", extra={"error": str(error)})
