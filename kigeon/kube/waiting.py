"""The Events that were read and are in no batch yet, in order. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from kigeon.events.kind import UNKNOWN, EventKind

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 1024 * 1024
MAX_WAITING_EVENTS = 2000
MAX_WAITING_BYTES = 4 * 1024 * 1024


class Received(NamedTuple):
    """One Event as it was read, with its digest, its raw JSON, and the version to resume from after it.

    ``anchor`` names the object that was seen last by then, ``kind`` is the kind under which metrics count the event.
    """

    digest: bytes
    raw: bytes
    resource_version: str = ""
    anchor: str = ""
    kind: EventKind = UNKNOWN


class WaitingEvents:
    """The Events that wait for their batch. Their size is that of the raw JSON."""

    def __init__(self) -> None:
        self._events: deque[Received] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, received: Iterable[Received]) -> None:
        """Append Events that were read."""
        for event in received:
            self._events.append(event)
            self._bytes += len(event.raw)

    @property
    def is_full(self) -> bool:
        """Whether no more Events are to be read until some have gone."""
        return len(self._events) >= MAX_WAITING_EVENTS or self._bytes >= MAX_WAITING_BYTES

    @property
    def fills_a_batch(self) -> bool:
        """Whether the next batch is full."""
        return len(self._events) >= MAX_BATCH_EVENTS or self._bytes >= MAX_BATCH_BYTES

    def take_batch(self) -> list[Received]:
        """Take the oldest Events, as many as a batch holds."""
        taken: list[Received] = []
        size = 0
        while self._events and len(taken) < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES:
            event = self._events.popleft()
            size += len(event.raw)
            taken.append(event)
        self._bytes -= size
        return taken
