"""What is to be told of the Watcher with its batches, beside the Events: it becomes durable with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from kigeon.events.checkpoint import CheckpointDelta

TELL_EVERY = 60.0
"""Seconds after which it is told that the cluster was watched, although nothing happened."""


@dataclass(slots=True)
class News:
    """What is to be told of the Watcher; ``unreadable`` counts from its start."""

    unreadable: int = 0
    watched_until: float = 0.0
    lifetime: float = 0.0


class Untold:
    """The news of one Watcher, and what was told of them; batches are told apart by its session and their number."""

    def __init__(self) -> None:
        self._session = uuid4().hex[:12]
        self._cuts = 0
        self._news = News()
        self._told = News()

    def note(self, unreadable: int = 0, watched_until: float = 0.0, lifetime: float = 0.0) -> None:
        """Have this told with the next batch: see :class:`~kigeon.events.checkpoint.CheckpointDelta`."""
        self._news.unreadable += unreadable
        self._news.watched_until = max(self._news.watched_until, watched_until)
        self._news.lifetime = lifetime or self._news.lifetime

    @property
    def is_loss(self) -> bool:
        """Whether something that could not be read is not told yet."""
        return self._news.unreadable > self._told.unreadable

    @property
    def is_worth_telling(self) -> bool:
        """Whether there is news that should not wait for the next event."""
        watched = self._news.watched_until - self._told.watched_until >= TELL_EVERY
        return watched or self.is_loss or self._news.lifetime != self._told.lifetime

    def tell(self, anchor: str, others_wait: bool) -> CheckpointDelta:
        """Return what goes with the next batch; *others_wait* says that there are events which are not in it."""
        self._cuts += 1
        news, told, self._told = self._news, self._told, replace(self._news)
        unreadable = news.unreadable - told.unreadable
        # While events wait, what is watched is not yet what is stored.
        watched_until = 0.0 if others_wait else news.watched_until
        return CheckpointDelta(self._session, self._cuts, unreadable, watched_until, news.lifetime, anchor)
