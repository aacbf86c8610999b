"""What a sender waits for: where events can't go now, why, since when, and when the next try is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kigeon.clock import stamp
from kigeon.senders.delivery.lane import Lane

MOST_WAITS = 32
"""Waits that an answer tells at most: a hook may make as many destinations as there are events."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that ``events`` events wait for. ``since`` and ``next_try`` are in seconds since the epoch, 0: unknown.

    ``destination`` is empty where the destination is not known yet; ``queue`` names the one stream of the destination
    that waits alone. ``held`` says that the events wait until an operator acts.
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
        """Return the wait as an answer to an operator holds it, with times in RFC 3339."""
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
    """Yield what the blocked *lanes* wait for; *retrying* tells how many events wait in the retry stream for a label.

    *now* is on the wall clock or on the steady clock; the times that are yielded are on the same clock.
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
