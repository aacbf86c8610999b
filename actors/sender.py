"""The Sender reads the events stream from its own position; there is one Sender for each configured sender."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client

from actors.base import KigeonActor
from actors.messages import BrokerFailing, Start
from kigeon.backoff import persistently
from kigeon.kube.namespaces import Namespaces
from kigeon.operator.dead_letters import actions_of
from kigeon.operator.resend import resending
from kigeon.operator.senders import serve
from kigeon.operator.waits import waiting
from kigeon.queue.broker.connection import connect
from kigeon.queue.broker.streams import LABELS_KEY, POSITION_KEY, declare, declaring
from kigeon.queue.log.history import EventHistory
from kigeon.queue.log.reader import EventLog
from kigeon.queue.stores.dead_letter import DeadLetterStore
from kigeon.queue.stores.outcomes import OutcomeStore
from kigeon.queue.stores.retry import RetryStore
from kigeon.queue.stores.state import StateRecord
from kigeon.senders.assembly import Script, namespaces_of, preparer_of, sink_of
from kigeon.senders.delivery.tenured import TenuredSink
from kigeon.senders.engine.engine import Engine, open_engine
from kigeon.senders.engine.spec import SenderSpec, Stores
from kigeon.senders.kept_labels import KeptLabels
from kigeon.senders.steps import Preparer


class Sender(KigeonActor):
    """Runs an engine in its loop."""

    def started(self, start: Start) -> None:
        """Prepare to send."""
        self._start = start
        self._engine: Engine | None = None
        self._preparer: Preparer | None = None
        self._script = start.spec.script
        self._labels: KeptLabels | None = None

    async def work(self) -> None:
        """Send until the end."""
        start, sender = self._start, self._start.spec.sender
        if sender is None:
            raise ValueError("a Sender is started with a sender's settings")
        queue = start.settings.queue
        client = await connect(start.queue, self.name, declaring(queue, sender.name), self._alarm)
        client.tenure = self.tenure
        await persistently("declaring the streams", lambda: declare(client, queue, sender.name))
        stores = Stores(
            EventLog(client, queue),
            StateRecord(client, f"{POSITION_KEY}.{sender.name}"),
            RetryStore(client, sender.name),
            DeadLetterStore(client, sender.name),
            OutcomeStore(client, sender.name),
            EventHistory(client),
        )
        sink = TenuredSink(sink_of(sender), self.tenure)
        namespaces = await self._namespaces(client)
        script = Script(start.spec.script, self._took)
        preparer = await asyncio.to_thread(preparer_of, sender, start.settings, start.cluster, sink, namespaces, script)
        self._preparer = preparer
        may_route = sender.hook is not None
        plan = SenderSpec(sink, preparer.prepare, may_route, queue.events_max_age, preparer.may_wait)
        engine = await open_engine(stores, plan)
        self._engine = engine
        actions = {
            **actions_of(engine.parked),
            "resend": resending(engine.resending, engine.report),
            "waits": waiting(engine.waits),
        }
        await serve(client, sender.name, actions)
        await engine.run()

    async def _namespaces(self, client: Client) -> Namespaces | None:
        """Return the namespaces' labels for the filter, which begin with those of an earlier run and are kept."""
        start, sender = self._start, self._start.spec.sender
        if sender is None or sender.filter is None or not sender.filter.match_labels or self.loop is None:
            return None
        record = StateRecord(client, LABELS_KEY)
        known = await persistently("reading the namespaces' labels", record.read)
        namespaces = await asyncio.to_thread(namespaces_of, sender, start.settings, start.cluster, known)
        if namespaces is not None:
            self._labels = KeptLabels(record, namespaces)
            self.loop.spawn(self._labels.run())
        return namespaces

    def report(self) -> Mapping[str, Any]:
        """Report the accounts."""
        prepared: Mapping[str, Any] = self._preparer.report() if self._preparer else {}
        told: Mapping[str, Any] = self._engine.report() if self._engine else {}
        return {
            "sender": True,
            **prepared,
            **told,
            "troubles": [*prepared.get("troubles", ()), *told.get("troubles", ())],
            "process": os.getpid(),
        }

    def script(self) -> str | None:
        """Return the hook's text in use: at a restart its file may hold a text that can't be loaded."""
        return self._script

    def _took(self, script: str) -> None:
        self._script = script

    def posted(self, item: Any) -> None:
        """Pass on that the queue does not store."""
        self.send(self.supervisor, item)

    def _alarm(self, reason: str) -> None:
        self.post(BrokerFailing(reason))

    async def finish(self, grace: float) -> None:
        """Send the events that can be sent; keep the namespaces' labels."""
        if self._labels is not None:
            await self._labels.save()
        if self._engine is not None:
            await self._engine.drain()
