"""What is asked of the one writer of the events stream, and what it answers; plain data, sent between processes."""

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
    """Store a batch, of which ``envelope`` is what is new (None: nothing), and the Watcher's checkpoint after it.

    ``store_seq`` counts from 1 in each epoch, and so does the Watcher's own ``batch_seq``.
    """

    epoch: int
    store_seq: int
    batch_seq: int
    envelope: Envelope | None
    checkpoint: WatcherCheckpoint = EMPTY


@dataclass(frozen=True, slots=True)
class Stored:
    """Batch ``batch_seq`` is settled: stored at ``sequence``, or 0 where nothing of it was new."""

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
    """Something was lost or somebody else wrote: an epoch has to begin."""

    reason: str
