"""Every message between actors: frozen, slotted, of plain data, so that it survives pickling.

The messages that carry events are the library's own: :class:`~kigeon.kube.outbox.Batch` (Watcher to Deduplicator),
:class:`~kigeon.queue.log.protocol.Store` (Deduplicator to Queue), :class:`~kigeon.queue.log.protocol.Stored` (Queue to
Watcher and Deduplicator), :class:`~kigeon.queue.log.protocol.QueueOpened` (Queue to Deduplicator). So is what the
Membership tells the Supervisor: :class:`~kigeon.leases.standing.Standing`.

Delivery is at most once (a message to an actor that is killed is gone): an actor that needs an answer keeps its message
until the answer comes, and sends it again in the next epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kigeon.config.settings import SenderSettings, Settings
from kigeon.events.checkpoint import WatcherCheckpoint
from kigeon.events.envelope import EMPTY
from kigeon.kube.outbox import Batch
from kigeon.kube.source import ClusterSource
from kigeon.leases.records import Replica
from kigeon.leases.standing import Standing
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.log.protocol import QueueOpened, Store, Stored

__all__ = [
    "Batch",
    "BrokerFailing",
    "ChildSpec",
    "Connect",
    "Failing",
    "Leave",
    "Ping",
    "Pong",
    "QueueAddress",
    "QueueOpened",
    "Resume",
    "Resync",
    "RoleStopped",
    "Standing",
    "Start",
    "Status",
    "Stop",
    "Stopped",
    "Store",
    "Stored",
    "Supervise",
    "Tenured",
]

# ------------------------------------------------------------------------------------------------------- lifecycle


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """An actor that the Supervisor keeps running.

    ``actor`` is the dotted path of its class. The actors of the ``pipeline`` share an epoch; a sender is on its own.
    """

    name: str
    actor: str
    pipeline: bool = False
    sender: SenderSettings | None = None
    script: str | None = field(default=None, repr=False)
    """The text of the sender's hook that was loaded last; None: its file's."""


@dataclass(frozen=True, slots=True)
class Supervise:
    """To the Supervisor, once: the actors to run, and what they need."""

    settings: Settings
    queue: QueueAddress
    cluster: ClusterSource | None
    children: tuple[ChildSpec, ...]
    replica: Replica | None = None
    """Who this replica is among others; None where it is the only one there can be."""


@dataclass(frozen=True, slots=True)
class Start:
    """To an actor, as the first message."""

    spec: ChildSpec
    settings: Settings
    queue: QueueAddress
    cluster: ClusterSource | None = None
    until: float = math.inf
    """When its tenure ends, by :func:`~kigeon.clock.boot_time`, if it is not extended."""
    replica: Replica | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """To the actors of the pipeline: an epoch begins, with these actors."""

    epoch: int
    watcher: Any
    deduplicator: Any
    queue: Any


@dataclass(frozen=True, slots=True)
class Resync:
    """To the Supervisor: a message was lost in the pipeline, a new epoch has to begin."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class BrokerFailing:
    """To the Supervisor, which tells the root: nats-server answers but does not store."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ping:
    """To an actor: are you well? ``nonce`` comes back in the answer."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to Ping: process id and report."""

    nonce: int
    name: str
    pid: int
    report: Mapping[str, Any]
    script: str | None = field(default=None, repr=False)
    """The text of the hook with which a successor begins."""


@dataclass(frozen=True, slots=True)
class Status:
    """The Supervisor's answer to a Ping: every child, and whether nats-server should be restarted.

    ``scripts`` are the texts of the hooks in use, by the child's name; another Supervisor begins with them.
    """

    nonce: int
    pid: int
    children: Mapping[str, Mapping[str, Any]]
    broker_failing: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_planned: bool = True
    """Whether it knows what to run."""
    is_spent: bool = False
    """Whether it holds memory for roles that this replica has not held for long: another Supervisor has none."""


@dataclass(frozen=True, slots=True)
class Tenured:
    """To an actor: it may write and send ``until`` then, by :func:`~kigeon.clock.boot_time`."""

    until: float


@dataclass(frozen=True, slots=True)
class RoleStopped:
    """To the Membership: no actor of ``role`` runs here any more that began when it was taken as ``revision``."""

    role: str
    revision: int


@dataclass(frozen=True, slots=True)
class Failing:
    """To the Membership: the actors of ``role`` end again and again here. It is said for as long as it is so."""

    role: str


@dataclass(frozen=True, slots=True)
class Leave:
    """To the Membership: every role is to be given back, since kigeon stops; it held the lease ``lease``."""

    lease: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish within ``grace`` seconds: accept nothing more, store and send what there is, answer Stopped."""

    grace: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer to Stop: the actor has finished; ``report`` is its last one."""

    name: str
    report: Mapping[str, Any]


# -------------------------------------------------------------------------------------------------- the way of an event


@dataclass(frozen=True, slots=True)
class Resume:
    """Deduplicator to Watcher: batches may come; a new Watcher resumes at this version ("": it lists).

    Batches that ``checkpoint`` includes are durable, and are not sent again.
    """

    epoch: int
    resource_version: str
    checkpoint: WatcherCheckpoint = EMPTY
