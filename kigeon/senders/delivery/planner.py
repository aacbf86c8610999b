"""How a destination is delivered to: what is pushed side by side, and what the answers mean for each event.

A planner is pure. A sender type has one of its own where an answer does not speak for all of a push; the plain one is
for those where it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kigeon.senders.delivery.lane import Item
from kigeon.senders.entry import Answer, Entry, PushStatus

COMMON = ""
"""The key of the queue in which everything of a destination waits that waits for nothing of its own."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds up the events of one queue of a destination: *key* names the queue.

    ``pace`` is how many bytes a second may go there, ``most`` how many in one push (0: not known).
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
    """To be planned and pushed now, each apart from all else: something is being narrowed down."""
    parked: list[tuple[Item, str]] = field(default_factory=list)
    later: list[Item] = field(default_factory=list)
    """Their time is to come."""
    held: list[Item] = field(default_factory=list)
    hold: Hold | None = None
    accused: list[Item] = field(default_factory=list)
    """Refused alone, for no reason that is known to be the event's: parked once the destination takes others."""
    away: list[Item] = field(default_factory=list)
    """The destination takes nothing now."""
    is_hopeless: bool = False
    """Whether the destination refuses event after event: nothing more is to be tried now."""
    doubted: list[int] = field(default_factory=list)
    """Offsets of events that were booked as sent, and that the destination may have refused unnoticed."""
    unproven: list[int] = field(default_factory=list)
    """Offsets of those of ``sent`` of which the answer does not say that they are held."""
    certain: list[int] = field(default_factory=list)
    """Offsets of events that were unproven, and are not any more."""


class PushPlanner(Protocol):
    """One destination's; owned by one event loop."""

    def take_over(self) -> None:
        """Reckon with a predecessor, of whose pushes up to now nothing is known."""

    def route(self, entry: Any) -> str:
        """Return the key of the queue in which *entry* waits."""

    def plan(self, items: Sequence[Item], key: str) -> tuple[list[list[Item]], list[Item]]:
        """Return what of *items*, which waited in the queue *key*, is pushed side by side, and what is left."""

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Return what *answer* means for each event of *push*."""

    def took_others_since(self, accused: Item) -> bool:
        """Whether the destination took anything since an event was refused alone."""

    def released(self, key: str) -> None:
        """Note that nothing waits in the queue *key* any more."""

    def overdue(self, after: float | None = None) -> Sequence[Entry]:
        """Return entries, each sent before, whose repeat would prove what was sent without a proof of its own.

        *after* is for how many seconds that was not proven; None: for as long as the planner thinks is long.
        """

    def proven(self, entry: Any, answer: Answer) -> PushResult:
        """Take the *answer* to the repeat of *entry*; return what it means for what was sent before."""

    def unproven(self) -> list[int]:
        """Return the offsets of all that was sent, and is neither proven nor doubted."""

    def figures(self) -> Mapping[str, int]:
        """Return how many streams are ``known``, ``proven``, ``held``, and how many events ``unproven``."""


class PlainPlanner:
    """An answer speaks for all of a push, and a push is all that waits."""

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
