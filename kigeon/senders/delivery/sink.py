"""The interface of a type of sender: it makes entries of events, pushes entries, and interprets answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kigeon.events.fields import EventFields
from kigeon.senders.delivery.planner import PushPlanner
from kigeon.senders.entry import Answer, Entry


class Sink(Protocol):
    """What a type of sender does with events. Destinations and entries are the type's own.

    ``entry`` is pure; ``push`` blocks, raises nothing, and may run in several threads at once.
    """

    def entry(self, event: Mapping[str, Any], settings: Any) -> Entry:
        """Return what to push of *event*; *settings* None means the sender's own. Never raises."""

    def planner(self, destination: Any) -> PushPlanner:
        """Return the planner of *destination*, which decides what is pushed together and what answers mean."""

    def push(self, destination: Any, entries: Sequence[Any]) -> Answer:
        """Push *entries*, which all go to *destination*."""

    def close(self) -> None:
        """Close the connections."""


class Begun(Protocol):
    """A push that a sink has begun without waiting."""

    async def arrival(self) -> None:
        """Return when an answer has begun to come, or none will."""

    @property
    def is_at_hand(self) -> bool:
        """Whether :meth:`finish` will not wait."""

    def finish(self) -> Answer:
        """Return what the answer means; it may wait, and raises nothing."""


Begin = Callable[[Any, Sequence[Any]], Begun | None]
"""Begins the push of entries to a destination in the loop's thread; None where a thread has to push them."""


def begin_of(sink: Sink) -> Begin | None:
    """Return the method ``begin``, which a *sink* may have: a push without a thread wakes the process less often."""
    found: Begin | None = getattr(sink, "begin", None)
    return found


EntryOfFields = Callable[[EventFields, int], Entry]
"""Makes an entry of an event's fields and its time in nanoseconds, under the sender's own settings."""


def entry_of_fields(sink: Sink) -> EntryOfFields | None:
    """Return the method of this name, which a *sink* may have: it needs of an event no more than its fields.

    Events that neither a filter nor a hook has to see are then read no further, which is quicker.
    """
    found: EntryOfFields | None = getattr(sink, "entry_of_fields", None)
    return found
