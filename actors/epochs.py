"""The epochs of the pipeline: when one begins, and what tells its actors. Pure: times are handed in.

Watcher, Deduplicator and Queue share an epoch. A new one begins whenever one of them was replaced or asks for it, and
all three are there.
"""

from __future__ import annotations

from actors.acts import Acts, Tell
from actors.children import Children
from actors.messages import Connect

CONNECT_AGAIN = 2.0
"""Seconds for an epoch to begin; then its beginning is repeated."""


class Epochs:
    """The epoch that has begun last, and whether another one is due."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._number = 0
        self._is_due = False
        self._told_at = 0.0

    def demand(self) -> None:
        """Have a new one begin: an actor of the pipeline was replaced."""
        self._is_due = True

    def resync(self, number: int) -> bool:
        """Have a new one begin for who asks in the epoch *number*; return False where one has begun since."""
        if number != self._number:
            return False
        self._is_due = True
        return True

    def begin(self, now: float) -> Acts:
        """Begin the one that is due, if all of its actors are there."""
        pipeline = self._children.pipeline
        if not pipeline or not all(child.ready for child in pipeline):
            return []
        if self._number and not self._is_due:
            return []
        self._number, self._is_due = self._number + 1, False
        return self._connects(now)

    def repeat(self, now: float) -> Acts:
        """Begin the last one again while the Watcher is not in it: a message of its beginning may be lost."""
        return self._connects(now) if self._is_beginning and now - self._told_at > CONNECT_AGAIN else []

    @property
    def is_busy(self) -> bool:
        """Whether an epoch begins, or is to begin."""
        return (self._is_due and bool(self._children.pipeline)) or self._is_beginning

    @property
    def _is_beginning(self) -> bool:
        """Whether the Watcher is not known to be in the epoch that was begun."""
        watcher = self._children.get("watcher")
        return bool(watcher and self._number and not self._is_due and watcher.report.get("epoch") != self._number)

    def _connects(self, now: float) -> Acts:
        self._told_at = now
        addresses = {child.spec.name: child.address for child in self._children.pipeline}
        connect = Connect(self._number, addresses.get("watcher"), addresses.get("deduplicator"), addresses.get("queue"))
        return [Tell(child.address, connect) for child in self._children.pipeline if child.ready]
