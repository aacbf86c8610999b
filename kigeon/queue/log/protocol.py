"""Requests to the one writer of the events stream, and its answers: plain data, sent between processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.envelope import EMPTY, Envelope


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of the events stream: its last sequence, the next offset, where to resume the watch.

    ``checkpoint`` is the Watcher's books up to here.
    """

    sequence: int = 0
    next_offset: int = 1
    resource_version: str = ""
    checkpoint: WatcherCheckpoint = field(default=EMPTY)


@dataclass(frozen=True, slots=True)
class Store:
    """Store a batch: the ``envelope`` of its new events (None: there are none), and the Watcher's checkpoint after it.

    ``store_seq`` counts from 1 in each epoch, and so does the Watcher's own ``batch_seq``.
    """

    epoch: int
    store_seq: int
    batch_seq: int
    envelope: Envelope | None
    checkpoint: WatcherCheckpoint = EMPTY


@dataclass(frozen=True, slots=True)
class Stored:
    """Batch ``batch_seq`` is durable, at ``sequence``; 0 where no event of it was new."""

    epoch: int
    batch_seq: int
    sequence: int


@dataclass(frozen=True, slots=True)
class QueueOpened:
    """An epoch has begun for the Queue; the events stream ends at ``log_end``."""

    epoch: int
    log_end: LogEnd = field(default=LogEnd())


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A new epoch has to begin, because a message was lost or somebody else wrote to the stream."""

    reason: str
