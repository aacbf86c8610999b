"""A sender at work: reads the events stream as a log, prepares, hands to lanes, and keeps the books durable.

Three kinds of tasks run side by side: one reads and prepares, one for each lane pushes, one looks after what is due.
What is in memory is bounded by the *window*; when it is full of events that can't go while others could, those move
to the retry stream. The durable position is written after every push, before the lane's next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kigeon.backoff import Backoff, persistently
from kigeon.clock import SteadyClock
from kigeon.errors import QueueError, UnreadableEnvelope, UnreadablePosition
from kigeon.events.envelope import declared_count, read_headers, unpack
from kigeon.senders.delivery import Delivery
from kigeon.senders.lanes import Item, Lane
from kigeon.senders.ledger import Ledger, Outcome, Position, whole
from kigeon.senders.ports import DeadLetterStore, EventLog, OutcomeStore, PositionRecord, RetryStore, StoredEnvelope
from kigeon.senders.position import read_position
from kigeon.senders.progress import Progress
from kigeon.senders.replaying import ParkedEvents
from kigeon.senders.retrying import TOO_OLD, UNDECIDED, RetryDesk, retry_delay
from kigeon.senders.sink import Destination, Entry, Sink
from kigeon.senders.steps import Deferred, Ended, Prepared

log = logging.getLogger(__name__)

MAX_WINDOW_EVENTS = 4000
"""From so many on nothing more is read; what was read at once before makes them twice as many, at most."""

MAX_WINDOW_PAGES = 256
PUSH_THREADS = 32
TICK = 0.25
"""Seconds between two looks at what is due."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The sender's own parts of the queue."""

    log: EventLog
    record: PositionRecord
    retry: RetryStore
    dead_letter: DeadLetterStore
    outcomes: OutcomeStore


@dataclass(frozen=True, slots=True)
class Plan:
    """What an engine does with events.

    ``prepare`` blocks and runs in a thread. ``may_route`` says that events may have other destinations than the
    sender's own (it has a hook): only then is the way freed for others by moving events to the retry stream.
    ``max_age`` is for how many seconds an event stays in the queue.
    """

    sink: Sink
    prepare: Callable[[Sequence[bytes]], list[Prepared]]
    may_route: bool
    max_age: float


async def open_engine(stores: Stores, plan: Plan) -> Engine:
    """Read the sender's position and what waits in its retry stream; return the engine, ready to run."""
    record = await persistently("reading the position", stores.record.read)
    try:
        position = read_position(record)
    except UnreadablePosition as error:
        # Sent again is what a destination can drop; not sent at all is lost.
        log.error("the position can't be read, everything in the queue is sent again", extra={"error": str(error)})
        waiting = await persistently("reading the retry stream", stores.retry.waiting)
        position = Position(retry_sequence=max((message.sequence for message in waiting), default=0))
    engine = Engine(stores, plan, Ledger(position))
    await engine.restore()
    return engine


class Engine:
    """One sender; owned by one event loop. Made by :func:`open_engine`."""

    def __init__(self, stores: Stores, plan: Plan, ledger: Ledger) -> None:
        self._log = stores.log
        self._plan = plan
        self._ledger = ledger
        self._clock = SteadyClock()
        self._progress = Progress(ledger, stores.record, stores.outcomes)
        self._pushes = ThreadPoolExecutor(PUSH_THREADS, "push")
        self._preparing = ThreadPoolExecutor(1, "prepare")
        self._delivery = Delivery(plan.sink, self._progress, stores.dead_letter, self._pushes)
        self._desk = RetryDesk(stores.retry, self._progress, self._delivery, self._place, plan.max_age)
        self.parked = ParkedEvents(stores.dead_letter, stores.outcomes, self._progress, self._desk)
        self._lanes: dict[Destination, Lane] = {}
        self._first_way: Destination | None = None
        self._ways_differ = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._closing = False
        self._undecided: list[tuple[float, Item]] = []
        self._evicted = ledger.counts[Outcome.EVICTED]
        self._room = asyncio.Event()
        self._busy = 0

    async def restore(self) -> None:
        """Take over what waits in the retry stream."""
        await self._desk.restore()
        await self.parked.restore()

    async def run(self) -> None:
        """Work until cancelled. Raises what must not be survived, :class:`~kigeon.errors.Fenced` among it.

        It does not wait for the other tasks then: one that waits for the queue may not hear that it is cancelled.
        """
        self._failed = asyncio.get_running_loop().create_future()
        self._start(self._read())
        self._start(self._look_after())
        try:
            await self._failed
        finally:
            self._closing = True
            for task in list(self._tasks):
                task.cancel()

    async def drain(self) -> None:
        """Return when all that the queue holds now is sent, or waits for what is away; the position is durable."""
        target = await persistently("reading the events stream", self._log.last_sequence)
        while not self._is_drained(target):
            await asyncio.sleep(0.02)
        await self._progress.save()

    def close(self) -> None:
        """Let go of the threads."""
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._pushes.shutdown(wait=False, cancel_futures=True)
        self._plan.sink.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    def report(self) -> dict[str, object]:
        """Return the accounts as plain data: outcomes so far, what is in memory, what waits and where it can't go."""
        return {
            **{str(outcome): count for outcome, count in self._ledger.counts.items()},
            "position": self._ledger.lowest_open,
            "next": self._ledger.next_sequence,
            "first": self._ledger.first_number,
            "number": self._ledger.next_number,
            "inMemory": self._ledger.open_events,
            "retrying": self._desk.waiting_events,
            "blocked": sorted(lane.label for lane in list(self._lanes.values()) if lane.is_blocked),
        }

    async def _read(self) -> None:
        backoff = Backoff(base=0.1, cap=5.0)
        most = 8
        read: deque[StoredEnvelope] = deque()
        await persistently("looking at the events stream", self._check_stream)
        await self._log.seek(self._ledger.read_from)
        while not self._closing:
            if self._is_full():
                await self._make_room()
                continue
            try:
                if not read:
                    read.extend(await self._log.next(most))
            except QueueError as error:
                log.warning("reading events failed, trying again", extra={"error": str(error)})
                await asyncio.sleep(backoff.failed())
                await persistently("looking at the events stream", self._check_stream)
                continue
            backoff.succeeded()
            if read:
                envelopes = self._take_what_fits(read)
                events = await self._admit(envelopes)
                most = max(1, min(64, 2 * MAX_WINDOW_EVENTS * len(envelopes) // (3 * max(events, 1))))

    def _take_what_fits(self, read: deque[StoredEnvelope]) -> list[StoredEnvelope]:
        """Take the next envelopes off *read*: how many they hold was not known when they were asked for."""
        taken, events = [read.popleft()], self._ledger.open_events
        while read and (events := events + declared_count(taken[-1].headers)) < 2 * MAX_WINDOW_EVENTS:
            taken.append(read.popleft())
        return taken

    async def _check_stream(self) -> None:
        """Begin at the start of a stream that was made anew or cut short: its sequences begin anew somewhere."""
        if await self._log.is_another(self._ledger.next_sequence, self._ledger.next_number):
            log.error("the events stream was damaged or made anew, reading it from its start")
            self._ledger.rewind()
            await self._log.seek(self._ledger.read_from)

    async def _admit(self, envelopes: Sequence[StoredEnvelope]) -> int:
        self._busy += 1
        try:
            items = [item for envelope in envelopes for item in await self._open(envelope)]
            self._defer(await self._place(items))
        finally:
            self._busy -= 1
        return len(items)

    async def _open(self, envelope: StoredEnvelope) -> list[Item]:
        try:
            headers = read_headers(envelope.headers)
        except UnreadableEnvelope as error:
            await self._delivery.park_envelope(envelope.sequence, envelope.payload, str(error))
            self._ledger.admit_unreadable(envelope.sequence)
            return []
        page = self._ledger.admit(envelope.sequence, headers.first, headers.count, envelope.timestamp)
        if page is None:
            return []
        try:
            raw = unpack(envelope.payload)
            if len(raw) != page.count:
                raise UnreadableEnvelope(f"the envelope holds {len(raw)} events, its headers say {page.count}")
        except UnreadableEnvelope as error:
            await self._delivery.park_envelope(envelope.sequence, envelope.payload, str(error))
            for index in list(page.open_indexes()):
                self._ledger.end(page, index, Outcome.PARKED, whole(envelope.sequence))
            return []
        return [Item(page, index, raw[index]) for index in page.open_indexes()]

    async def _place(self, items: Sequence[Item]) -> list[Item]:
        """Prepare *items* and put them on their lanes; return those that can't be decided now."""
        if not items:
            return []
        loop = asyncio.get_running_loop()
        raw = [item.raw for item in items]
        steps = await loop.run_in_executor(self._preparing, self._plan.prepare, raw)
        undecided: list[Item] = []
        ways: dict[Destination, list[Item]] = {}
        for item, step in zip(items, steps, strict=True):
            if isinstance(step, Entry):
                item.entry = step
                ways.setdefault(step.destination, []).append(item)
            elif isinstance(step, Deferred):
                undecided.append(item)
            else:
                await self._end(item, step)
        for destination, way in ways.items():
            self._lane(destination).add(way)
        return undecided

    async def _end(self, item: Item, step: Ended) -> None:
        if step.outcome is Outcome.PARKED:
            await self._delivery.park(item, step.reason)
        else:
            self._ledger.end(item.page, item.index, step.outcome, step.reason)

    def _lane(self, destination: Destination) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            self._first_way = self._first_way or destination
            self._ways_differ = self._ways_differ or destination != self._first_way
            lane = self._lanes[destination] = Lane(destination)
            self._start(self._drive(lane))
        return lane

    async def _drive(self, lane: Lane) -> None:
        """Push what is on *lane*, oldest first, for as long as there is anything."""
        while lane.items or self._desk.waits_for(lane.label):
            await asyncio.sleep(lane.wait)
            await self._load_for(lane)
            push = lane.take()
            if not push:
                # What it loaded is on its way elsewhere by now, or there is too much of that.
                await asyncio.sleep(0.01)
            else:
                self._desk.unload(await self._delivery.deliver(lane, push), lane.label)
                await self._desk.close_done(push)
                self._room.set()
        del self._lanes[lane.destination]

    async def _load_for(self, lane: Lane) -> None:
        """Load of what waits for *lane* one page to try with, or a whole push where the last one arrived."""
        if lane.has_retries:
            return
        while self._desk.waits_for(lane.label) and self._desk.loaded_events < MAX_WINDOW_EVENTS:
            await self._desk.load_next(lane.label)
            if lane.is_blocked or lane.fills_a_push:
                return

    def _is_full(self) -> bool:
        """Whether nothing may be read now. What hangs in a push takes no room from others, up to as much again."""
        events, pages = self._ledger.open_events, self._ledger.open_pages
        if events < MAX_WINDOW_EVENTS and pages < MAX_WINDOW_PAGES:
            return False
        held = [item.page for lane in self._lanes.values() for item in self._hanging(lane) if not item.page.is_retry]
        events -= min(len(held), MAX_WINDOW_EVENTS)
        pages -= min(len(set(held)), MAX_WINDOW_PAGES)
        return events >= MAX_WINDOW_EVENTS or pages >= MAX_WINDOW_PAGES

    def _hanging(self, lane: Lane) -> Sequence[Item]:
        """Return what a push on *lane* holds that hangs; nothing where it holds up nobody else, being the only way."""
        return lane.held_up if self._ways_differ else ()

    async def _make_room(self) -> None:
        """Free the way: move what can't go to the retry stream, or wait until something has gone."""
        if not await self._relieve():
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), TICK)
            except TimeoutError:
                return

    async def _relieve(self) -> int:
        moved = 0
        waiting, self._undecided = [item for _, item in self._undecided], []
        if waiting:
            rest = await self._desk.move(waiting, UNDECIDED)
            moved += len(waiting) - len(rest)
            self._defer(rest)
        for lane in list(self._lanes.values()) if self._plan.may_route else []:
            if lane.is_blocked or self._hanging(lane) or self._desk.waits_for(lane.label):
                waiting = lane.take_waiting()
                rest = await self._desk.move(waiting, lane.label)
                moved += len(waiting) - len(rest)
                if rest:
                    self._lane(lane.destination).add(rest)
        return moved

    def _defer(self, items: Sequence[Item]) -> None:
        for item in items:
            item.attempts += 1
            self._undecided.append((time.monotonic() + retry_delay(item.attempts), item))

    async def _look_after(self) -> None:
        """Look at what is due, and keep the position of events that ended without a push."""
        while not self._closing:
            await asyncio.sleep(TICK)
            await self._retry_undecided()
            if self._desk.loaded_events < MAX_WINDOW_EVENTS:
                await self._load_due()
            self._tell_evicted()
            await self._progress.save()

    def _tell_evicted(self) -> None:
        evicted = self._ledger.counts[Outcome.EVICTED]
        if evicted > self._evicted:
            context = {"events": evicted - self._evicted, "evicted": evicted}
            log.error("events are gone from the queue that were not sent", extra=context)
        self._evicted = evicted

    async def _load_due(self) -> None:
        """Load of the retry stream what no lane asks for: what has no destination, or one that has no lane yet."""
        await self._desk.load_due()
        lanes = {lane.label for lane in self._lanes.values()}
        for label in [label for label in self._desk.labels() if label not in lanes][:8]:
            await self._desk.load_next(label)

    async def _retry_undecided(self) -> None:
        now = time.monotonic()
        due = [item for at, item in self._undecided if at <= now]
        if not due:
            return
        self._undecided = [(at, item) for at, item in self._undecided if at > now]
        oldest = self._clock.now() - self._plan.max_age
        for item in due:
            if item.page.stored_at < oldest:
                self._ledger.end(item.page, item.index, Outcome.EVICTED, TOO_OLD)
        self._defer(await self._place([item for item in due if item.page.stored_at >= oldest]))

    def _is_drained(self, target: int) -> bool:
        stuck = not self._busy and all(lane.is_blocked for lane in self._lanes.values())
        return stuck and (self._ledger.read_from > target or self._is_full())
