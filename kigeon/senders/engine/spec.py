"""What an engine needs: the sender's parts of the queue, and how events are prepared and pushed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kigeon.senders.delivery.sink import Sink
from kigeon.senders.ports import DeadLetterStore, EventHistory, EventLog, OutcomeStore, PositionRecord, RetryStore
from kigeon.senders.steps import Prepared


@dataclass(frozen=True, slots=True)
class Stores:
    """The sender's own parts of the queue."""

    log: EventLog
    record: PositionRecord
    retry: RetryStore
    dead_letter: DeadLetterStore
    outcomes: OutcomeStore
    history: EventHistory


@dataclass(frozen=True, slots=True)
class SenderSpec:
    """What an engine does with events.

    ``prepare`` runs in a thread where it may wait, for a hook or for the API server (``may_wait``), or there is much
    to do. ``may_route`` says that events may have other destinations than the
    sender's own (it has a hook): only then do blocked events move to the retry stream to make room for others.
    ``max_age`` is for how many seconds an event stays in the queue.
    """

    sink: Sink
    prepare: Callable[[Sequence[bytes]], list[Prepared]]
    may_route: bool
    max_age: float
    may_wait: bool = True
