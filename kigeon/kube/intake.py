"""What the Watcher reads, on its way into the outbox: each Event with its digest and the version to resume from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kigeon.events.occurrence import identity_of
from kigeon.events.outbox import Outbox, Received
from kigeon.kube.lines import WatchLine


class EventIntake:
    """The handler of the Events' informer. Deleted Events were seen when they were added: they are only counted."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.received = 0
        self.deleted = 0
        self.unreadable_count = 0
        self.relists = 0

    def page(self, items: Sequence[tuple[dict[str, Any], bytes]], resource_version: str) -> None:
        """Take a page; only after the last event of the last page is the list's version one to resume from."""
        received = [Received(identity_of(event), raw) for event, raw in items]
        if received and resource_version:
            received[-1] = Received(received[-1].digest, received[-1].raw, resource_version)
        self._take(received)

    def lines(self, lines: Sequence[WatchLine]) -> None:
        """Take what was added or modified."""
        self.deleted += sum(line.type == "DELETED" for line in lines)
        self._take(
            [
                Received(identity_of(line.object), line.raw, line.resource_version)
                for line in lines
                if line.type in ("ADDED", "MODIFIED")
            ]
        )

    def relisting(self, reason: str) -> None:
        """Count it; the Deduplicator knows what of the list was seen."""
        self.relists += 1

    def unreadable(self, count: int) -> None:
        """Count it."""
        self.unreadable_count += count

    def _take(self, received: list[Received]) -> None:
        self.received += len(received)
        if received:
            self._outbox.offer(received)
