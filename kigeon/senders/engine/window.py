"""Bounds the events that a sender holds in memory: when reading pauses, and which events may move away."""

from __future__ import annotations

import asyncio

from kigeon.senders.delivery.lane import Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.planner import COMMON
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.retry.scheduler import RetryScheduler

MAX_WINDOW_EVENTS = 4000
"""Events in memory at which reading pauses; one fetch may overshoot to twice as many."""

MAX_WINDOW_PAGES = 256

LOOK_INTERVAL = 0.25
"""Seconds after which a full window is checked again, although no event has gone."""


class Window:
    """The *ledger*'s events in memory. *may_route*: they may go to other destinations than the sender's own."""

    def __init__(self, ledger: Ledger, lanes: Lanes, scheduler: RetryScheduler, may_route: bool) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._scheduler = scheduler
        self._may_route = may_route
        self._room = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether reading pauses. Events of stalled pushes do not count, up to one extra window."""
        events, pages = self._ledger.envelopes.open_events, self._ledger.envelopes.open_pages
        if events < MAX_WINDOW_EVENTS and pages < MAX_WINDOW_PAGES:
            return False
        hanging = [item.page for lane in self._lanes for item in self._lanes.hanging(lane)]
        held = [page for page in hanging if not page.is_retry and not page.is_repeat]
        events -= min(len(held), MAX_WINDOW_EVENTS)
        pages -= min(len(set(held)), MAX_WINDOW_PAGES)
        return events >= MAX_WINDOW_EVENTS or pages >= MAX_WINDOW_PAGES

    @property
    def takes_retries(self) -> bool:
        """Whether more pages of the retry stream may be loaded."""
        return self._scheduler.loaded_events < MAX_WINDOW_EVENTS

    def freed(self) -> None:
        """Note that there is room again."""
        self._room.set()

    async def room(self) -> None:
        """Wait until there is room, for :data:`LOOK_INTERVAL` seconds at most."""
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), LOOK_INTERVAL)
        except TimeoutError:
            return

    async def relieve(self) -> int:
        """Move the events on stuck lanes to the retry stream; return how many events."""
        # Lanes are moved side by side: what is booked together is durable in one write.
        stuck = [lane for lane in self._lanes if self._is_stuck(lane)]
        return sum(await asyncio.gather(*(self._move_away(lane) for lane in stuck)))

    def _is_stuck(self, lane: Lane) -> bool:
        """Whether the events on *lane* may be moved out of the way of others."""
        if lane.key == COMMON and not self._may_route:
            return False
        held = lane.key != COMMON or lane.is_blocked or bool(self._lanes.hanging(lane))
        return held or self._scheduler.waits_for(lane.label)

    async def _move_away(self, lane: Lane) -> int:
        waiting = lane.take_waiting()
        rest = await self._scheduler.move(waiting, lane.label)
        if rest:
            self._lanes.lane(lane.destination, lane.key).add(rest)
        return len(waiting) - len(rest)
