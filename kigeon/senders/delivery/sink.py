"""What a type of sender has to offer: how an event becomes an entry, how entries are pushed, what answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kigeon.senders.delivery.planner import PushPlanner
from kigeon.senders.entry import Answer, Entry


class Sink(Protocol):
    """What a type of sender does with events. Destinations and entries are the type's own.

    ``entry`` is pure; ``push`` blocks, raises nothing, and may run in several threads at once.
    """

    def entry(self, event: Mapping[str, Any], settings: Any) -> Entry:
        """Return what to push of *event*; *settings* None means the sender's own. Never raises."""

    def planner(self, destination: Any) -> PushPlanner:
        """Return what decides what is pushed together to *destination*, and what the answers mean."""

    def push(self, destination: Any, entries: Sequence[Any]) -> Answer:
        """Push *entries*, all of them of *destination*."""

    def close(self) -> None:
        """Let go of connections."""
