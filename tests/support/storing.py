"""Events stored and compacted without a writer, and what a memory that is rebuilt from them knows."""

from __future__ import annotations

from collections.abc import Iterable

from nats.aio.client import Client

from kigeon.clock import SteadyClock
from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.streams import declare
from kigeon.queue.dedup.digests import DigestMemory, integers
from kigeon.queue.dedup.index import Deduplication
from kigeon.queue.dedup.rebuild import rebuild
from kigeon.queue.log.compaction import Compactor
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.log.publisher import Publisher
from tests.support.writing import envelope


class Storing:
    """A publisher and a compactor, as a writer has them."""

    def __init__(self, client: Client, settings: QueueSettings) -> None:
        self.publisher = Publisher(client, settings, 5.0)
        self.compactor = Compactor(client, settings)

    async def open(self) -> LogEnd:
        self.publisher.begin(await self.compactor.open())
        return self.publisher.log_end

    async def store(self, *batches: Iterable[int]) -> None:
        for batch in batches:
            packed = envelope(*batch)
            first = self.publisher.log_end.next_offset
            await self.publisher.publish(packed)
            self.compactor.stored(packed, first)

    async def compact(self) -> None:
        await self.compactor.compact(self.publisher.log_end)

    async def store_apart(self, *numbers: int) -> None:
        """Have each of *numbers* in a message of its own, of both streams."""
        for number in numbers:
            await self.store([number])
            await self.compact()


async def storing(client: Client, settings: QueueSettings) -> Storing:
    await declare(client, settings)
    work = Storing(client, settings)
    await work.open()
    return work


async def known_after_rebuild(client: Client) -> tuple[int, set[int]]:
    """Return what a rebuilt memory says: how far it reaches, and which of the numbers up to 909 it knows."""
    memory = DigestMemory(3600)
    deduplication = Deduplication(memory, SteadyClock())
    reached = await rebuild(client, deduplication)
    found = {number for number in range(1, 910) if not memory.missing(integers(number.to_bytes(8, "big")))}
    assert len(deduplication) == len(found)
    return reached, found
