"""How much of the events stream a sender holds in memory: when reading pauses, and what may move out of the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
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
        self._moving = asyncio.Lock()
        self._leaving: dict[Lane, list[Item]] = {}

    @property
    def is_full(self) -> bool:
        """Whether reading pauses. Events that are stuck do not count, up to one extra window."""
        events, pages = self._ledger.envelopes.open_events, self._ledger.envelopes.open_pages
        if events < MAX_WINDOW_EVENTS and pages < MAX_WINDOW_PAGES:
            return False
        stuck_events, stuck_pages = self._stuck()
        events -= min(stuck_events, MAX_WINDOW_EVENTS)
        pages -= min(stuck_pages, MAX_WINDOW_PAGES)
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

    def relieve_beside(self) -> None:
        """Begin to move what is stuck where it takes much of a window; reading goes on meanwhile."""
        envelopes = self._ledger.envelopes
        if self._moving.locked() or (
            envelopes.open_events < MAX_WINDOW_EVENTS and envelopes.open_pages < MAX_WINDOW_PAGES
        ):
            return
        events, pages = self._stuck()
        if events * MOVED_FROM >= MAX_WINDOW_EVENTS or pages * MOVED_FROM >= MAX_WINDOW_PAGES:
            self._start(self._relieve())

    async def _relieve(self) -> None:
        await self.relieve()

    async def relieve(self) -> int:
        """Move what waits on lanes that go nowhere to the retry stream; return how many events."""
        async with self._moving:
            for lane in self._lanes:
                if self._is_stuck(lane) and (waiting := lane.take_waiting()):
                    self._leaving[lane] = waiting
            leaving = self._leaving
            try:
                rest = await self._scheduler.move_all([(items, lane.label) for lane, items in leaving.items()])
            finally:
                self._leaving = {}
            moved = sum(map(len, leaving.values())) - sum(map(len, rest))
            for lane, items in zip(leaving, rest, strict=True):
                if items:
                    self._lanes.lane(lane.destination, lane.key).add(items)
            self.freed()
            return moved

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
        """Whether what waits on *lane* may be moved out of the way of others."""
        if lane.key == COMMON and not self._may_route:
            return False
        held = lane.key != COMMON or lane.is_blocked or bool(self._lanes.hanging(lane))
        return held or self._scheduler.waiting.waits_for(lane.label)
