"""The actors that the root runs, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.messages import ChildSpec, Status
from kigeon.config.settings import Settings
from kigeon.kube.source import ClusterSource


def children_of(settings: Settings) -> tuple[ChildSpec, ...]:
    """Return the actors that *settings* ask for, in the order in which events flow."""
    pipeline = (
        ChildSpec("watcher", "actors.watcher.Watcher", pipeline=True),
        ChildSpec("deduplicator", "actors.deduplicator.Deduplicator", pipeline=True),
        ChildSpec("queue", "actors.queue.Queue", pipeline=True),
    )
    senders = (ChildSpec(f"sender/{sender.name}", "actors.sender.Sender", sender=sender) for sender in settings.senders)
    return (*pipeline, *senders)


@dataclass(slots=True)
class RunSpec:
    """What to run. ``observe`` gets every Status; its True ends kigeon as a signal does (the demo uses that)."""

    settings: Settings
    cluster: ClusterSource | None
    children: tuple[ChildSpec, ...]
    observe: Callable[[Status], bool] = lambda status: False
    last: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last report of every child; filled in while kigeon runs."""
