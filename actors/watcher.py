"""The Watcher reads the cluster's Events and passes them on in batches; it keeps each batch until it is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from actors.base import KigeonActor, crash
from actors.messages import Connect, Resume, Resync, Start, Stored
from kigeon.events.kind import EventKinds
from kigeon.kube.outbox import EARLY, Outbox
from kigeon.kube.reading_thread import ReadingThread
from kigeon.kube.source import ClusterSource
from kigeon.observability.latest import OF_A_BATCH
from kigeon.senders.registry import keep_namespaces_apart

STORED_TIMEOUT = 60.0
"""Seconds for a batch to be stored; after that the Watcher asks for a new epoch, and sends the batch again in it."""


class Watcher(KigeonActor):
    """Runs an informer in a thread; the outbox slows it down while batches are not stored."""

    def started(self, start: Start) -> None:
        """Prepare to read; reading begins with Resume."""
        settings = start.settings
        shown = OF_A_BATCH if settings.http.listen else 0
        self._outbox = Outbox(lambda: self.post(None), settings.pusher.batch_wait, shown=shown)
        self._reading = ReadingThread(
            start.cluster or ClusterSource(),
            self._outbox,
            settings.queue.kubernetes_events_max_lifetime,
            EventKinds(settings.http.namespace_label),
            keep_namespaces_apart(settings.senders),
        )
        self._timer: asyncio.TimerHandle | None = None
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
        self._reading.begin(message.resource_version, message.checkpoint)
        self._pump()

    def receiveMsg_Stored(self, message: Stored, sender: Any) -> None:
        """Drop a stored batch, and send the next."""
        self._moved_at = time.monotonic()
        self._outbox.stored(message.epoch, message.batch_seq)
        self._pump()

    def posted(self, item: Any) -> None:
        """Send batches: something was read, or the outbox has rested."""
        self._pump()

    def report(self) -> Mapping[str, Any]:
        """Report what was read; ask for a new epoch when no batch was stored for too long."""
        self._pump()
        if self._outbox.is_empty or not self._outbox.is_due:
            self._moved_at = time.monotonic()
        elif self._epoch and time.monotonic() - self._moved_at > STORED_TIMEOUT:
            self._moved_at = time.monotonic()
            self.send(self.supervisor, Resync(self._epoch, "a batch was not stored in time"))
        if self._reading.hangs():
            crash("the reading thread hangs")
        return {
            "epoch": self._outbox.epoch,
            "waiting": self._outbox.waiting,
            "pending": self._outbox.pending,
            **self._reading.report(),
        }

    async def finish(self, grace: float) -> None:
        """Stop reading; return when everything that was read is stored."""
        self._reading.stop()
        with suppress(TimeoutError):
            # What was read of an unfinished list is stored too, as far as there is time.
            await asyncio.wait_for(asyncio.to_thread(self._reading.release), grace / 2)
        self._outbox.close()
        self.post(None)
        while not self._outbox.is_empty:
            await asyncio.sleep(0.01)

    def _pump(self) -> None:
        while batch := self._outbox.take():
            self.send(self._deduplicator, batch)
        self._take_after(self._outbox.rest)

    def _take_after(self, rest: float) -> None:
        """Take a batch when the outbox has rested, should the reading thread have nothing more to offer by then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.after(rest + EARLY, lambda: self.post(None)) if rest and self.loop else None
