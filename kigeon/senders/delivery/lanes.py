"""A sender's lanes: one for each destination, and one for each key whose events wait on their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nlargest
from itertools import groupby
from operator import attrgetter

from kigeon.errors import shorten
from kigeon.senders.delivery.lane import Blockage, Item, Lane
from kigeon.senders.delivery.planner import COMMON, Hold, PushPlanner
from kigeon.senders.delivery.waits import waits_of
from kigeon.senders.entry import Destination

MOST_TOLD = 20
"""Blocked lanes that a report explains."""

LaneKey = tuple[Destination, str]
"""A destination, and the key of the queue there."""


class Lanes:
    """All lanes, owned by one event loop. *begin* is called with each new lane, and drives it until it is empty."""

    def __init__(
        self,
        planner_of: Callable[[Destination], PushPlanner],
        begin: Callable[[Lane], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planner_of = planner_of
        self._clock = clock
        self._begin = begin
        self._lanes: dict[LaneKey, Lane] = {}
        self._first: LaneKey | None = None
        self._differ = False

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def lane(self, destination: Destination, key: str = COMMON) -> Lane:
        """Return the lane of *destination* and *key*; make it where there is none."""
        way = (destination, key)
        lane = self._lanes.get(way)
        if lane is None:
            self._first = self._first or way
            self._differ = self._differ or way != self._first
            lane = self._lanes[way] = Lane(destination, key, self._clock)
            self._begin(lane)
        return lane

    def close(self, lane: Lane) -> None:
        """Remove a lane on which no event waits any more."""
        del self._lanes[lane.destination, lane.key]
        if lane.key != COMMON:
            self._planner_of(lane.destination).released(lane.key)

    def enter(self, items: Iterable[Item]) -> None:
        """Put *items* on their lanes."""
        ways: dict[LaneKey, list[Item]] = {}
        prepared = (item for item in items if item.entry is not None)
        for destination, group in groupby(prepared, key=attrgetter("entry.destination")):
            # Most events in a row have one destination, and to look one up takes a hash of all that it is made of.
            route = self._planner_of(destination).route
            keys: dict[str, list[Item]] = {}
            for item in group:
                keys.setdefault(route(item.entry), []).append(item)
            for key, entering in keys.items():
                ways.setdefault((destination, key), []).extend(entering)
        for way, entering in ways.items():
            self.lane(*way).add(entering)

    def reroute(self, lane: Lane, items: Sequence[Item]) -> list[Item]:
        """Move those of *items* that have to wait on other lanes there; return the rest."""
        strays = set(map(id, self._strays(lane, items)))
        self.enter(item for item in items if id(item) in strays)
        return [item for item in items if id(item) not in strays]

    def hold(self, lane: Lane, items: Sequence[Item], hold: Hold) -> tuple[Lane, list[Item]]:
        """Move *items* to a lane of their own, with the events on *lane* that belong there too.

        Return that lane, and the events that it unloads: see :meth:`Lane.refused`.
        """
        held = self.lane(lane.destination, hold.key)
        strays = set(map(id, self._strays(lane, lane.items)))
        held.items.extend(lane.take_if(lambda item: id(item) in strays) if strays else ())
        delay = held.slow_down(hold.pace, hold.most)
        return held, held.refused(items, delay or None, Blockage(hold.reason, hold.cure))[1]

    def report(self, waiting: Callable[[str], int]) -> list[dict[str, object]]:
        """Return why lanes are blocked, those with the most waiting events first, as plain data.

        *waiting* says how many events wait elsewhere for a label. Times are on the steady clock.
        """
        waits = waits_of(self._lanes.values(), waiting, self._clock())
        return [
            {
                "destination": wait.destination,
                "stream": wait.queue,
                "state": "stream" if wait.queue else "held" if wait.held else "away",
                "reason": shorten(wait.reason),
                "cure": wait.cure,
                "since": wait.since,
                "next": wait.next_try,
                "events": wait.events,
            }
            for wait in nlargest(MOST_TOLD, waits, key=lambda wait: wait.events)
        ]

    def hanging(self, lane: Lane) -> Sequence[Item]:
        """Return the events of a stalled push on *lane*; nothing where there is only one lane, so nobody is held up."""
        return lane.stalled if self._differ else ()

    def _strays(self, lane: Lane, items: Iterable[Item]) -> list[Item]:
        planner = self._planner_of(lane.destination)
        return [item for item in items if item.entry is not None and planner.route(item.entry) != lane.key]
