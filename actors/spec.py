"""The actors that the root runs, and with what."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from actors.messages import ChildSpec, Status
from kigeon.clock import stamp
from kigeon.config.settings import Settings
from kigeon.kube.source import ClusterSource
from kigeon.leases.records import Replica
from kigeon.roles import roles_of


def children_of(settings: Settings) -> tuple[ChildSpec, ...]:
    """Return the actors that *settings* ask for, in the order in which events flow."""
    pipeline = (
        ChildSpec("watcher", "actors.watcher.Watcher", pipeline=True),
        ChildSpec("deduplicator", "actors.deduplicator.Deduplicator", pipeline=True),
        ChildSpec("queue", "actors.queue.Queue", pipeline=True),
    )
    senders = (ChildSpec(f"sender/{sender.name}", "actors.sender.Sender", sender=sender) for sender in settings.senders)
    return (*pipeline, *senders)


def replica_of(settings: Settings) -> Replica:
    """Return who this kigeon is among others: the name of its machine (its Pod has the same), and an id of its own."""
    roles = roles_of(sender.name for sender in settings.senders)
    return Replica(uuid4().hex[:16], socket.gethostname(), stamp(time.time()), roles=roles)


@dataclass(slots=True)
class RunSpec:
    """What to run. ``observe`` gets every Status; its True ends kigeon as a signal does (the demo uses that)."""

    settings: Settings
    cluster: ClusterSource | None
    children: tuple[ChildSpec, ...]
    observe: Callable[[Status], bool] = lambda status: False
    replica: Replica | None = None
    """Who this kigeon is among others on the same queue; None where there are none."""
    last: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last report of every child; filled in while kigeon runs."""
