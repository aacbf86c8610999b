"""A sender at work: it reads the events stream as a log, prepares events, puts them on lanes, and keeps the books.

Three kinds of tasks run side by side: one reads and prepares, one for each lane pushes, one tries due events again.
The *window* bounds the events in memory. When it is full of events that can't go while others could, the former move
to the retry stream. The durable position is written after every push, before the lane's next push.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from kigeon.backoff import persistently
from kigeon.senders.delivery.delivery import Delivery, Elsewhere
from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.delivery.planner import Hold
from kigeon.senders.delivery.waits import MOST_WAITS, Wait, waits_of
from kigeon.senders.engine.doubted import DoubtedEvents
from kigeon.senders.engine.preparing import Preparing
from kigeon.senders.engine.reading import EnvelopeReader
from kigeon.senders.engine.spec import SenderSpec, Stores
from kigeon.senders.engine.tasks import Tasks
from kigeon.senders.engine.undecided import Undecided
from kigeon.senders.engine.window import Window
from kigeon.senders.ports import StoredEnvelope
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.opening import open_position
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.replaying import ParkedEvents
from kigeon.senders.retry.resending import Resending
from kigeon.senders.retry.scheduler import RetryScheduler
from kigeon.senders.steps import Deferred, Final
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

DUE_INTERVAL = 0.25
"""Seconds between two looks at due events, while any event waits."""

CALM_INTERVAL = 1.0
"""Seconds between two looks while no event waits for anything but its push."""


async def open_engine(stores: Stores, spec: SenderSpec) -> Engine:
    """Read the sender's position and what waits in its retry stream; return the engine, ready to run."""
    engine = Engine(stores, spec, Ledger(await open_position(stores.record, stores.retry)))
    await engine.restore()
    return engine


class Engine:
    """One sender; owned by one event loop. Made by :func:`open_engine`."""

    def __init__(self, stores: Stores, spec: SenderSpec, ledger: Ledger) -> None:
        self._log = stores.log
        self._spec = spec
        self._ledger = ledger
        self._progress = Progress(ledger, stores.record, stores.outcomes)
        self._preparing = Preparing(spec)
        self._tasks = Tasks()
        elsewhere = Elsewhere(
            self._hold, self._reroute, self._postpone, lambda offsets: self._doubted.add(offsets), self._retrying
        )
        parking = Parking(ledger, stores.dead_letter)
        self._delivery = Delivery(spec.sink, self._progress, parking, elsewhere)
        self._scheduler = RetryScheduler(stores.retry, self._progress, parking, self._place, spec.max_age)
        self.parked = ParkedEvents(stores.dead_letter, stores.outcomes, self._progress, self._scheduler)
        self.resending = Resending(stores.history, self._progress, self._scheduler, self._repeat)
        self._lanes = Lanes(self._delivery.planners.of, lambda lane: self._tasks.start(self._drive(lane)))
        self._doubted = DoubtedEvents(ledger, self._delivery, self._scheduler, self.resending)
        self._undecided = Undecided(ledger, self._scheduler, spec.max_age)
        self._window = Window(ledger, self._lanes, self._scheduler, spec.may_route, self._tasks.start)
        self._reader = EnvelopeReader(stores.log, ledger, parking, self._window, self._tasks.start)
        self._evicted = ledger.counts[Outcome.EVICTED]
        self._stirred = asyncio.Event()
        self._busy = 0

    async def restore(self) -> None:
        """Take over the events that wait in the retry stream."""
        await self._scheduler.restore()
        await self.parked.restore()
        await self._doubted.restore()

    async def run(self) -> None:
        """Work until cancelled. Raises errors that must end the sender, such as :class:`~kigeon.errors.Fenced`."""
        await self._tasks.run(self._read(), self._look_after(), self._doubted.prove())

    async def drain(self) -> None:
        """Return when all events that the queue holds now are sent, or can't be sent now; the position is durable."""
        target = await persistently("reading the events stream", self._log.last_sequence)
        while not self._is_drained(target):
            await asyncio.sleep(0.02)
        await self._doubted.prove_at_end()
        await self._progress.save()

    def close(self) -> None:
        """End the threads."""
        self._preparing.close()
        self._delivery.close()
        self._spec.sink.close()

    def report(self) -> dict[str, object]:
        """Return the accounts as plain data: outcomes so far, events in memory, events that wait, blocked lanes."""
        return {
            **{str(outcome): count for outcome, count in self._ledger.counts.items()},
            "ended": {str(outcome): count for outcome, count in self._ledger.ended.items()},
            "position": self._ledger.envelopes.lowest_open,
            "next": self._ledger.envelopes.next_sequence,
            "first": self._ledger.envelopes.first_offset,
            "number": self._ledger.envelopes.next_offset,
            "resent": self._ledger.resent,
            "inMemory": self._ledger.envelopes.open_events,
            "retrying": self._scheduler.waiting_events,
            "blocked": sorted(lane.label for lane in self._lanes if lane.is_blocked),
            "open": self._ledger.open_everywhere,
            "undecided": len(self._undecided),
            "held": self._lanes.report(self._scheduler.waiting.events_for),
            **self._delivery.report(),
        }

    def waits(self) -> list[Wait]:
        """Return what events wait for now, the most of them first, at most :data:`MOST_WAITS`."""
        now = time.time()
        waits = [*waits_of(self._lanes, self._retrying, now), *self._undecided.waits(now)]
        return sorted(waits, key=lambda wait: -wait.events)[:MOST_WAITS]

    def _retrying(self, label: str) -> int:
        return self._scheduler.waiting.events_for(label)

    async def _read(self) -> None:
        await self._reader.begin()
        await self._doubted.tried()
        while not self._tasks.is_closing:
            self._window.relieve()
            if self._window.is_full:
                await self._make_room()
            elif envelopes := await self._reader.next():
                await self._admit(envelopes)

    async def _admit(self, envelopes: list[StoredEnvelope]) -> None:
        self._busy += 1
        self._stirred.set()
        try:
            items = await self._reader.open(envelopes)
            self._tell_evicted()
            self._undecided.add(await self._place(items))
        finally:
            self._busy -= 1

    async def _make_room(self) -> None:
        """Make room: move undecided events to the retry stream, or wait until an event has gone."""
        if not await self._undecided.relieve() and self._window.is_full:
            await self._window.room()

    async def _place(self, items: Sequence[Item]) -> list[Item]:
        """Prepare *items* and put them on their lanes; return those that can't be decided now."""
        if not items:
            return []
        steps = await self._preparing.run([item.raw for item in items])
        undecided: list[Item] = []
        entering: list[Item] = []
        for item, step in zip(items, steps, strict=True):
            if not isinstance(step, Final | Deferred):
                item.entry = step
                entering.append(item)
            elif isinstance(step, Deferred) or not await self._end(item, step):
                undecided.append(item)
                self._undecided.because(step.reason)
        self._lanes.enter(entering)
        return undecided

    async def _hold(self, lane: Lane, items: Sequence[Item], hold: Hold) -> None:
        held, unloaded = self._lanes.hold(lane, items, hold)
        await self._scheduler.unload(unloaded, held.label)

    def _reroute(self, lane: Lane, items: Sequence[Item]) -> list[Item]:
        return self._lanes.reroute(lane, items)

    async def _postpone(self, items: Sequence[Item], reason: str) -> None:
        """Try *items* again later; *reason* says why not now."""
        self._undecided.because(reason)
        self._undecided.add(await self._scheduler.set_aside(items))

    async def _repeat(self, items: Sequence[Item]) -> None:
        """Send *items* again, which were sent before."""
        self._undecided.add(await self._place(items))

    async def _end(self, item: Item, step: Final) -> bool:
        if step.outcome is Outcome.PARKED:
            return await self._delivery.parking.park(item, step.reason)
        self._ledger.end(item.page, item.index, step.outcome, step.reason)
        return True

    async def _drive(self, lane: Lane) -> None:
        """Push what is on *lane*, oldest first, for as long as there is anything."""
        while lane.items or self._window.is_leaving(lane) or self._scheduler.waiting.waits_for(lane.label):
            await asyncio.sleep(lane.wait)
            if self._window.is_leaving(lane):
                # What leaves is older than what came since.
                await asyncio.sleep(0.01)
                continue
            if (unloaded := self._delivery.refuse_unasked(lane)) is not None:
                await self._scheduler.unload(unloaded, lane.label)
                continue
            await self._load_for(lane)
            push = lane.take()
            if not push:
                # What it loaded is on its way elsewhere by now, or there is too much of that.
                await asyncio.sleep(0.01)
            else:
                await self._scheduler.unload(await self._delivery.deliver(lane, push), lane.label)
                await self._scheduler.pages.close_done(push)
                self._window.freed()
        self._lanes.close(lane)

    async def _load_for(self, lane: Lane) -> None:
        """Load of what waits for *lane* one page to try with, or a whole push where the last one arrived."""
        if lane.has_retries:
            return
        while self._scheduler.waiting.waits_for(lane.label) and self._window.takes_retries:
            await self._scheduler.loader.load_next(lane.label)
            if lane.is_blocked or lane.fills_a_push:
                return

    async def _look_after(self) -> None:
        """Try due events again, and save the position for events that ended without a push."""
        while not self._tasks.is_closing:
            self._undecided.forget_why()
            await self._wait_for_a_look()
            self._stirred.clear()
            self._undecided.forget_why()
            self._undecided.add(await self._place(self._undecided.take_due()))
            await self._scheduler.retry_held()
            if self._window.takes_retries:
                await self._load_due()
            self._tell_evicted()
            await self._progress.save()
            await self._doubted.send()

    def _is_idle(self) -> bool:
        """Whether every event that was read has ended."""
        return not (self._ledger.envelopes.open_events or self._ledger.retry.open_events or self._doubted)

    def _is_calm(self) -> bool:
        """Whether no event waits for anything but its push."""
        waits = self._ledger.retry.open_events or self._scheduler.waiting_events or self._doubted or self._undecided
        return not waits and not any(lane.is_blocked for lane in self._lanes)

    async def _wait_for_a_look(self) -> None:
        """Wait until the next look is due: soon while events wait, otherwise later."""
        if self._is_idle():
            try:
                await asyncio.wait_for(self._stirred.wait(), CALM_INTERVAL)
            except TimeoutError:
                return
        await asyncio.sleep(CALM_INTERVAL if self._is_calm() else DUE_INTERVAL)

    def _tell_evicted(self) -> None:
        evicted = self._ledger.counts[Outcome.EVICTED]
        if evicted > self._evicted:
            context = {"events": evicted - self._evicted, "evicted": evicted}
            few.error("events were evicted from the queue before they were sent", extra=context)
        self._evicted = evicted

    async def _load_due(self) -> None:
        """Load pages that no lane asks for: those without a destination, and those whose destination has no lane."""
        await self._scheduler.loader.load_due()
        lanes = {lane.label for lane in self._lanes}
        for label in [label for label in self._scheduler.waiting.labels() if label not in lanes][:8]:
            await self._scheduler.loader.load_next(label)

    def _is_drained(self, target: int) -> bool:
        stuck = not self._busy and all(lane.is_blocked for lane in self._lanes)
        return stuck and (self._ledger.envelopes.read_from > target or self._window.is_full)
