"""A sender's engine at work on a real queue, and envelopes for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import orjson
from nats.aio.client import Client

from kigeon.events.envelope import Envelope, pack, write_headers
from kigeon.events.occurrence import identity_of
from kigeon.queue.log.history import EventHistory
from kigeon.queue.log.reader import EventLog
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.outcomes import OutcomeStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.engine.engine import Engine, open_engine
from kigeon.senders.engine.spec import SenderSpec, Stores
from kigeon.senders.entry import Answer
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.steps import Prepared, Preparer
from tests.support.loki import Loki
from tests.support.names import EVENTS_SUBJECT, STATE
from tests.support.settings import QUEUE_SETTINGS


def packed(*events: dict[str, object]) -> Envelope:
    return pack([orjson.dumps(event) for event in events], b"".join(identity_of(event) for event in events), "7")


class HangingSink(LokiSink):
    """Every other event goes to a tenant whose pushes hang until ``answering`` is set.

    It is every other number; where it is *fickle*, every other that is prepared: another one when it comes back.
    """

    def __init__(self, loki: Loki, fickle: bool) -> None:
        super().__init__(LokiSettings(loki.url))
        self.url = loki.url
        self.answering = threading.Event()
        self._elsewhere = LokiSettings(loki.url, tenant_id="hanging")
        self._fickle = fickle
        self.prepared = self.not_hanging = 0
        """How many events were prepared, again ones too, and how many of those go where nothing hangs."""

    def prepare(self, raw: Sequence[bytes]) -> list[Prepared]:
        events = [orjson.loads(each) for each in raw]
        numbers = range(len(events)) if self._fickle else [int(event["metadata"]["uid"][-1]) for event in events]
        lanes = [self._elsewhere if number % 2 else None for number in numbers]
        self.prepared += len(lanes)
        self.not_hanging += lanes.count(None)
        return [self.entry(event, way) for event, way in zip(events, lanes, strict=True)]

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        if destination.tenant_id:
            self.answering.wait()
        return super().push(destination, entries)

    def close(self) -> None:
        self.answering.set()
        super().close()


async def store(client: Client, first: int, *events: dict[str, object]) -> None:
    """Store an envelope of *events*; *first* is the offset of its first."""
    envelope = packed(*events)
    await client.jetstream().publish(EVENTS_SUBJECT, envelope.payload, headers=write_headers(envelope, first, "w"))


@asynccontextmanager
async def sending(client: Client, loki: Loki, hanging: HangingSink | None = None) -> AsyncIterator[Engine]:
    """Have an engine at work for the length of a block."""
    stores = Stores(
        EventLog(client, QUEUE_SETTINGS),
        StateRecord(client, "position.loki"),
        RetryStore(client, "loki"),
        DeadLetterStore(client, "loki"),
        OutcomeStore(client, "loki"),
        EventHistory(client),
    )
    sink = hanging or LokiSink(LokiSettings(loki.url))
    preparer = Preparer(sink)
    prepare = hanging.prepare if hanging else preparer.prepare
    # What another wrote last is stored by then: the server takes what is published in its order.
    await client.jetstream().publish(f"$KV.{STATE}.test", b"")
    spec = SenderSpec(sink, prepare, hanging is not None, 3600.0, hanging is not None or preparer.may_wait)
    engine = await open_engine(stores, spec)
    task = asyncio.get_running_loop().create_task(engine.run())
    try:
        yield engine
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        engine.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.01)
