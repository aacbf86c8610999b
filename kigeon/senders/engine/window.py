"""How much of the events stream a sender holds in memory: when reading pauses, and what may move out of the way."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.planner import COMMON
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.retry.scheduler import RetryScheduler

MAX_WINDOW_EVENTS = 4000
"""Events in memory at which reading pauses; one fetch may overshoot to twice as many."""

MAX_WINDOW_PAGES = 256

MOVED_FROM = 2
"""What is stuck is moved when it takes this part of a window, a half: reading goes on meanwhile in the other."""

LOOK_INTERVAL = 0.25
"""Seconds after which a full window is looked at again, although nothing has gone."""


class Window:
    """The events of the *ledger* that are in memory. *may_route*: they may go elsewhere than to the sender's own.

    *start* runs a task beside.
    """

    def __init__(
        self,
        ledger: Ledger,
        lanes: Lanes,
        scheduler: RetryScheduler,
        may_route: bool,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._scheduler = scheduler
        self._may_route = may_route
        self._start = start
        self._room = asyncio.Event()
        self._leaving: dict[Lane, list[Item]] = {}
        self._found_no_room_at = -math.inf

    @property
    def is_full(self) -> bool:
        """Whether reading pauses. Events that are stuck do not count, up to one extra window."""
        return self._is_used_up and self._is_full_beside(*self._stuck())

    def _is_full_beside(self, stuck_events: int, stuck_pages: int) -> bool:
        """Whether reading pauses where so many events, of so many pages, are stuck."""
        events = self._ledger.envelopes.open_events - min(stuck_events, MAX_WINDOW_EVENTS)
        pages = self._ledger.envelopes.open_pages - min(stuck_pages, MAX_WINDOW_PAGES)
        return events >= MAX_WINDOW_EVENTS or pages >= MAX_WINDOW_PAGES

    @property
    def takes_retries(self) -> bool:
        """Whether more of the retry stream may be loaded."""
        return self._scheduler.loaded_events < MAX_WINDOW_EVENTS

    def freed(self) -> None:
        """Note that something has gone."""
        self._room.set()

    async def room(self) -> None:
        """Wait until something has gone, a :data:`LOOK_INTERVAL` at most."""
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), LOOK_INTERVAL)
        except TimeoutError:
            return

    def is_leaving(self, lane: Lane) -> bool:
        """Whether events of *lane* are on their way to the retry stream."""
        return lane in self._leaving

    def relieve(self) -> None:
        """Begin to move what is stuck to the retry stream where it takes much room; reading goes on meanwhile.

        Where there is no room left, what waits behind a push that hangs goes too.
        """
        found_no_room = time.monotonic() - self._found_no_room_at < LOOK_INTERVAL
        if self._leaving or found_no_room or not self._is_used_up:
            return
        events, pages = self._stuck()
        is_full = self._is_full_beside(events, pages)
        if is_full or events * MOVED_FROM >= MAX_WINDOW_EVENTS or pages * MOVED_FROM >= MAX_WINDOW_PAGES:
            lanes = [lane for lane in self._lanes if self._is_stuck(lane) or (is_full and self._hangs(lane))]
            self._leaving = {lane: waiting for lane in lanes if (waiting := lane.take_waiting())}
            if self._leaving:
                self._start(self._move_away(self._leaving))

    async def _move_away(self, leaving: Mapping[Lane, list[Item]]) -> None:
        rest = await self._scheduler.move_all([(items, lane.label) for lane, items in leaving.items()])
        self._leaving = {}
        if any(rest):
            self._found_no_room_at = time.monotonic()
        for lane, items in zip(leaving, rest, strict=True):
            if items:
                self._lanes.lane(lane.destination, lane.key).add(items)
        self.freed()

    @property
    def _is_used_up(self) -> bool:
        envelopes = self._ledger.envelopes
        return envelopes.open_events >= MAX_WINDOW_EVENTS or envelopes.open_pages >= MAX_WINDOW_PAGES

    def _stuck(self) -> tuple[int, int]:
        """Return how many events go nowhere now although others could, and of how many pages they are."""
        pages = [item.page for item in self._stuck_items()]
        return len(pages), len(set(pages))

    def _stuck_items(self) -> Iterator[Item]:
        for lane in self._lanes:
            here = [*self._lanes.hanging(lane), *(lane.items if self._is_stuck(lane) else ())]
            yield from (item for item in here if not item.page.is_retry and not item.page.is_repeat)
        for items in self._leaving.values():
            yield from items

    def _is_stuck(self, lane: Lane) -> bool:
        """Whether what waits on *lane* goes nowhere now, and may be moved out of the way of others."""
        if lane.key != COMMON:
            return True
        return self._may_route and (lane.is_blocked or self._scheduler.waiting.waits_for(lane.label))

    def _hangs(self, lane: Lane) -> bool:
        """Whether what waits on *lane* may be moved since a push there has no answer; it may yet come."""
        return self._may_route and bool(self._lanes.hanging(lane))
