"""The Watcher's news, which are told with its batches beside the Events, and become durable with these. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from kigeon.events.checkpoint import CheckpointDelta

TELL_EVERY = 60.0
"""Seconds after which a checkpoint says that the cluster was watched although no event came."""


@dataclass(slots=True)
class News:
    """The Watcher's news for the next checkpoint delta; ``unreadable`` counts from the Watcher's start."""

    unreadable: int = 0
    watched_until: float = 0.0
    lifetime: float = 0.0


class Untold:
    """The news of one Watcher, and those already told; the Watcher's session and a number identify a batch."""

    def __init__(self) -> None:
        self._session = uuid4().hex[:12]
        self._cuts = 0
        self._news = News()
        self._told = News()

    def note(self, unreadable: int = 0, watched_until: float = 0.0, lifetime: float = 0.0) -> None:
        """Add news to the next batch's :class:`~kigeon.events.checkpoint.CheckpointDelta`."""
        self._news.unreadable += unreadable
        self._news.watched_until = max(self._news.watched_until, watched_until)
        self._news.lifetime = lifetime or self._news.lifetime

    @property
    def is_loss(self) -> bool:
        """Whether the news count an unreadable Event that is not told yet."""
        return self._news.unreadable > self._told.unreadable

    @property
    def is_worth_telling(self) -> bool:
        """Return whether there is news that should not wait for the next event."""
        watched = self._news.watched_until - self._told.watched_until >= TELL_EVERY
        return watched or self.is_loss or self._news.lifetime != self._told.lifetime

    def tell(self, anchor: str, others_wait: bool) -> CheckpointDelta:
        """Return the delta of the next batch; *others_wait* says that events wait which are not in the batch."""
        self._cuts += 1
        news, told, self._told = self._news, self._told, replace(self._news)
        unreadable = news.unreadable - told.unreadable
        # While events wait, the watch has come further than the batches that can be stored.
        watched_until = 0.0 if others_wait else news.watched_until
        return CheckpointDelta(self._session, self._cuts, unreadable, watched_until, news.lifetime, anchor)
