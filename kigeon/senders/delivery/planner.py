"""Planners decide which events are pushed side by side, and what answers mean for each event.

A planner is pure. A sender type has its own planner where an answer does not speak for the whole push; the plain
planner is for types where it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kigeon.senders.delivery.lane import Item
from kigeon.senders.entry import Answer, Entry, PushStatus

COMMON = ""
"""The key of a destination's common queue, for events that do not wait on their own."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the events of the queue ``key`` of a destination are held up.

    ``pace`` is how many bytes a second may go there, ``most`` how many bytes in one push (0: not known).
    """

    key: str
    reason: str
    pace: float = 0.0
    most: int = 0
    cure: str = ""


@dataclass(slots=True)
class PushResult:
    """What an answer means for the events of its push; each is in one of the lists."""

    sent: list[Item] = field(default_factory=list)
    again: list[Item] = field(default_factory=list)
    """To be planned again now."""
    pieces: list[list[Item]] = field(default_factory=list)
    """To be planned and pushed now, each on its own, to find out which event is refused."""
    parked: list[tuple[Item, str]] = field(default_factory=list)
    later: list[Item] = field(default_factory=list)
    """To be tried later: their timestamps are in the future."""
    held: list[Item] = field(default_factory=list)
    hold: Hold | None = None
    accused: list[Item] = field(default_factory=list)
    """Refused alone, for a reason that may not be the event's; parked if refused again after others were taken."""
    away: list[Item] = field(default_factory=list)
    """The destination takes nothing now."""
    is_hopeless: bool = False
    """Whether the destination refuses event after event, so that nothing more is tried now."""
    doubted: list[int] = field(default_factory=list)
    """Offsets of events that were booked as sent, and that the destination may have refused unnoticed."""
    unproven: list[int] = field(default_factory=list)
    """Offsets of events in ``sent`` for which the answer does not prove that they are held."""
    certain: list[int] = field(default_factory=list)
    """Offsets of events that were unproven until now."""


class PushPlanner(Protocol):
    """The planner of one destination; owned by one event loop."""

    def take_over(self) -> None:
        """Take into account that a predecessor may have pushed until now, which nobody knows."""

    def route(self, entry: Any) -> str:
        """Return the key of the queue in which *entry* waits."""

    def plan(self, items: Sequence[Item], key: str) -> tuple[list[list[Item]], list[Item]]:
        """Return the pushes of *items*, which waited in the queue *key*, that go side by side, and the items left."""

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Return what *answer* means for each event of *push*."""

    def took_others_since(self, accused: Item) -> bool:
        """Whether the destination took anything since an event was refused alone."""

    def released(self, key: str) -> None:
        """Note that the queue *key* is empty now."""

    def overdue(self, after: float | None = None) -> Sequence[Entry]:
        """Return entries that were sent before, and whose repeat would prove events that were sent without a proof.

        These events have been unproven for *after* seconds; None leaves the time to the planner.
        """

    def proven(self, entry: Any, answer: Answer) -> PushResult:
        """Take the *answer* to the repeat of *entry*; return what it means for events that were sent before."""

    def unproven(self) -> list[int]:
        """Return the offsets of events that were sent, and are neither proven nor doubted."""

    def figures(self) -> Mapping[str, int]:
        """Return how many streams are ``known``, ``proven``, ``held``, and how many events ``unproven``."""


class PlainPlanner:
    """For destinations whose answer speaks for the whole push."""

    def take_over(self) -> None:
        """Nothing depends on what was written before."""

    def route(self, entry: Any) -> str:
        """There is one queue."""
        return COMMON

    def plan(self, items: Sequence[Item], key: str) -> tuple[list[list[Item]], list[Item]]:
        """Push everything."""
        return [list(items)], []

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Everything is sent, or nothing is."""
        if answer.status is PushStatus.DELIVERED:
            return PushResult(sent=list(push))
        return PushResult(away=list(push))

    def took_others_since(self, accused: Item) -> bool:
        """Nothing is ever accused."""
        return False

    def released(self, key: str) -> None:
        """There is one queue."""

    def overdue(self, after: float | None = None) -> Sequence[Entry]:
        """Everything is proven."""
        return []

    def proven(self, entry: Any, answer: Answer) -> PushResult:
        """Everything was proven."""
        return PushResult()

    def unproven(self) -> list[int]:
        """Everything is proven."""
        return []

    def figures(self) -> Mapping[str, int]:
        """There are no streams."""
        return {}
