"""The Watcher reads the cluster's Events and passes them on in batches; it keeps each batch until it is stored."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from thespian.actors import WakeupMessage

from actors.base import KigeonActor, crash
from actors.messages import Connect, Resume, Resync, Start, Stored
from kigeon.events.kind import EventKinds
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import EventCollector
from kigeon.kube.informer import Informer
from kigeon.kube.outbox import Outbox
from kigeon.kube.resume_anchor import ResumeAnchor, read_anchor
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.observability.latest import OF_A_BATCH
from kigeon.senders.registry import keep_namespaces_apart

EVENTS = Resource("/api/v1/events")

STORED_TIMEOUT = 60.0
"""Seconds for a batch to be stored; after that the Watcher asks for a new epoch, and sends the batch again in it."""

HANGS_AFTER = 900.0
"""Seconds without a sign of life after which the reading thread counts as hung: longer than any of its time-outs."""


class Watcher(KigeonActor):
    """Runs an informer in a thread; the outbox slows it down while batches are not stored."""

    def started(self, start: Start) -> None:
        """Prepare to read; reading begins with Resume."""
        self._cluster = start.cluster or ClusterSource()
        shown = OF_A_BATCH if start.settings.http.listen else 0
        self._outbox = Outbox(lambda: self.post(None), start.settings.pusher.batch_wait, shown=shown)
        self._kinds = EventKinds(start.settings.http.namespace_label)
        self._by_namespace = keep_namespaces_apart(start.settings.senders)
        self._wakes_at = 0.0
        self._lifetime = start.settings.queue.kubernetes_events_max_lifetime
        self._collector: EventCollector | None = None
        self._access: ClusterAccess | None = None
        self._informer: Informer | None = None
        self._read_at = 0.0
        self._deduplicator: Any = None
        self._epoch = 0
        self._early: Resume | None = None
        self._moved_at = time.monotonic()

    def receiveMsg_Connect(self, message: Connect, sender: Any) -> None:
        """Note the actors of the epoch; the Deduplicator's Resume may have come already."""
        self._epoch, self._deduplicator = message.epoch, message.deduplicator
        self._moved_at = time.monotonic()
        if self._early is not None:
            self.receiveMsg_Resume(self._early, sender)

    def receiveMsg_Resume(self, message: Resume, sender: Any) -> None:
        """Send batches that were on their way again; the first time, begin to read."""
        self._early = message if message.epoch > self._epoch else None
        if message.epoch != self._epoch or self._outbox.epoch == message.epoch:
            return
        self._outbox.connect(message.epoch, message.checkpoint)
        if self._collector is None:
            checkpoint = message.checkpoint
            self._collector = EventCollector(
                self._outbox,
                self._lifetime,
                checkpoint.watched_until,
                checkpoint.lifetime,
                self._time,
                kinds=self._kinds,
                by_namespace=self._by_namespace,
            )
            self._read_at = time.monotonic()
            arguments = (message.resource_version, read_anchor(message.checkpoint.anchor), self._collector)
            threading.Thread(target=self._read, args=arguments, name="reader", daemon=True).start()
        self._pump()

    def receiveMsg_Stored(self, message: Stored, sender: Any) -> None:
        """Drop a stored batch, and send the next."""
        self._moved_at = time.monotonic()
        self._outbox.stored(message.epoch, message.batch_seq)
        self._pump()

    def posted(self, item: Any) -> None:
        """Send batches, because something was read."""
        self._pump()

    def receiveMsg_WakeupMessage(self, message: WakeupMessage, sender: Any) -> None:
        """Send batches, because the outbox has rested."""
        self._wakes_at = 0.0
        self._pump()

    def report(self) -> Mapping[str, Any]:
        """Report what was read; ask for a new epoch when no batch was stored for too long."""
        self._pump()
        if self._outbox.is_empty or not self._outbox.is_due:
            self._moved_at = time.monotonic()
        elif self._epoch and time.monotonic() - self._moved_at > STORED_TIMEOUT:
            self._moved_at = time.monotonic()
            self.send(self.supervisor, Resync(self._epoch, "a batch was not stored in time"))
        self._look_after_reading()
        return {
            "epoch": self._outbox.epoch,
            **(self._collector.report() if self._collector else {"received": 0}),
            "waiting": self._outbox.waiting,
            "pending": self._outbox.pending,
            **(self._informer.report() if self._informer else {}),
        }

    async def finish(self, grace: float) -> None:
        """Stop reading; return when everything that was read is stored."""
        if self._informer is not None:
            self._informer.stop()
        if self._collector is not None:
            await self._release(self._collector, grace / 2)
        self._outbox.close()
        self.post(None)
        while not self._outbox.is_empty:
            await asyncio.sleep(0.01)

    async def _release(self, collector: EventCollector, patience: float) -> None:
        """Store what was read of an unfinished list too, as far as there is time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(collector.release), patience)

    def _read(self, resource_version: str, anchor: ResumeAnchor | None, collector: EventCollector) -> None:
        """Read for as long as the process lives; an unforeseen error ends the process."""
        self._access = ClusterAccess(self._cluster)
        self._informer = Informer(
            self._access, EVENTS, collector, resource_version, anchor=anchor, watches_early=True, rest=collector.rest
        )
        self._informer.run()

    def _time(self) -> float:
        """Return the API server's time, as far as it is known."""
        return time.time() if self._access is None else self._access.server_time()

    def _look_after_reading(self) -> None:
        """Crash if the reading thread hangs; a thread that waits until its events are stored does not hang."""
        if self._collector is None or not self._outbox.is_empty:
            self._read_at = time.monotonic()
        elif time.monotonic() - max(self._read_at, self._informer.beat if self._informer else 0.0) > HANGS_AFTER:
            crash("the reading thread hangs")

    def _pump(self) -> None:
        while batch := self._outbox.take():
            self.send(self._deduplicator, batch)
        self._wake_after(self._outbox.rest)

    def _wake_after(self, rest: float) -> None:
        """Take batches again when the outbox has rested; the reading thread wakes nobody before that."""
        if rest and time.monotonic() >= self._wakes_at:
            self._wakes_at = time.monotonic() + rest
            self.wakeupAfter(rest)
