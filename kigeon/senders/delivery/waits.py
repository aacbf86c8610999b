"""What a sender waits for: where events can't go now, why, since when, and when that is tried next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kigeon.clock import stamp
from kigeon.senders.delivery.lane import Lane

MOST_WAITS = 32
"""Waits that are told of: a hook may make as many destinations as there are events."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that *events* wait for. ``since`` and ``next_try`` are seconds since the epoch, 0 where not known.

    ``destination`` is empty where it is not known yet which one it will be; ``queue`` names the one stream of it that
    waits alone. ``held`` says that nothing goes until an operator acts.
    """

    destination: str
    reason: str
    events: int
    queue: str = ""
    cure: str = ""
    since: float = 0.0
    next_try: float = 0.0
    held: bool = False

    def shown(self) -> dict[str, Any]:
        """Return it as an answer to an operator holds it, times in RFC 3339."""
        return {
            "destination": self.destination,
            "queue": self.queue,
            "reason": self.reason,
            "cure": self.cure,
            "held": self.held,
            "events": self.events,
            "since": stamp(self.since) if self.since else None,
            "nextTry": stamp(self.next_try) if self.next_try else None,
        }


def waits_of(lanes: Iterable[Lane], retrying: Callable[[str], int], now: float) -> Iterator[Wait]:
    """Yield what the blocked ones of *lanes* wait for; *retrying* tells how many wait in the retry stream for a label.

    *now* is by the clock on which the times of what is yielded are to be: that of the day, or the steady one.
    """
    for lane in lanes:
        blockage = lane.blockage
        if blockage is None:
            continue
        yield Wait(
            lane.destination.label,
            blockage.reason,
            lane.waiting + retrying(lane.label),
            lane.key.strip(),
            blockage.cure,
            now - lane.blocked_for,
            now + lane.wait,
            blockage.held,
        )
