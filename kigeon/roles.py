"""What one replica alone may do: the pipeline, and each sender."""

from __future__ import annotations

from collections.abc import Iterable

PIPELINE = "pipeline"
"""The role of Watcher, Deduplicator and Queue, and the name of the process that they share."""

PIPELINE_ACTORS = ("watcher", "deduplicator", "queue")
"""The actors of that role, in the order in which events flow."""

_SENDER = "sender."


def sender_role(name: str) -> str:
    """Return the role of a sender."""
    return f"{_SENDER}{name}"


def roles_of(senders: Iterable[str]) -> tuple[str, ...]:
    """Return every role where there are these *senders*."""
    return (PIPELINE, *map(sender_role, senders))
