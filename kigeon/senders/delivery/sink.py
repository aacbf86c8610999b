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


EntryOfFields = Callable[[EventFields, int], Entry]
"""Makes an entry of an event's fields and its time in nanoseconds, under the sender's own settings."""


def entry_of_fields(sink: Sink) -> EntryOfFields | None:
    """Return the method of this name, which a *sink* may have: it needs of an event no more than its fields.

    Events that neither a filter nor a hook has to see are then read no further, which is quicker.
    """
    found: EntryOfFields | None = getattr(sink, "entry_of_fields", None)
    return found
