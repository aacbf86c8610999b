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
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kigeon.backoff import Backoff, persistently
from kigeon.clock import SteadyClock
from kigeon.errors import QueueError, UnreadableEnvelope
from kigeon.events.envelope import declared_count, read_headers, unpack
from kigeon.senders.delivery.delivery import Delivery, Elsewhere
from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.planner import COMMON, Hold
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.delivery.waits import MOST_WAITS, Wait, waits_of
from kigeon.senders.ports import (
    DeadLetterStore,
    EventHistory,
    EventLog,
    OutcomeStore,
    PositionRecord,
    RetryStore,
    StoredEnvelope,
)
from kigeon.senders.progress.ledger import EnvelopeProgress, Ledger, Outcome, whole
from kigeon.senders.progress.opening import open_position
from kigeon.senders.progress.progress import Progress
from kigeon.senders.retry.groups import AGAIN, UNDECIDED, retry_delay
from kigeon.senders.retry.replaying import ParkedEvents
from kigeon.senders.retry.resending import Resending
from kigeon.senders.retry.scheduler import TOO_OLD, RetryScheduler
from kigeon.senders.steps import Deferred, Final, Prepared
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

MAX_WINDOW_EVENTS = 4000
"""Events in memory at which reading pauses; one fetch may overshoot to twice as many."""

MAX_WINDOW_PAGES = 256
PROVE_EVERY = 10.0
"""Seconds between two looks at what is sent and not proven."""

DOUBTED_FIRST = 10.0
"""Seconds for which nothing new is read at the start while what is in doubt has not been tried."""

PROVE_AT_END = 3.0
"""Seconds that are taken at the end to prove what would be sent again at the next start."""

TICK = 0.25
"""Seconds between two looks at what is due, while anything is under way."""

IDLE_TICK = 1.0
"""The same while nothing is."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The sender's own parts of the queue."""

    log: EventLog
    record: PositionRecord
    retry: RetryStore
    dead_letter: DeadLetterStore
    outcomes: OutcomeStore
    history: EventHistory


@dataclass(frozen=True, slots=True)
class SenderSpec:
    """What an engine does with events.

    ``prepare`` blocks and runs in a thread. ``may_route`` says that events may have other destinations than the
    sender's own (it has a hook): only then is the way freed for others by moving events to the retry stream.
    ``max_age`` is for how many seconds an event stays in the queue.
    """

    sink: Sink
    prepare: Callable[[Sequence[bytes]], list[Prepared]]
    may_route: bool
    max_age: float


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
        self._clock = SteadyClock()
        self._progress = Progress(ledger, stores.record, stores.outcomes)
        self._preparing = ThreadPoolExecutor(1, "prepare")
        elsewhere = Elsewhere(self._hold, self._reroute, self._postpone, self._doubt, self._retrying)
        self._delivery = Delivery(spec.sink, self._progress, stores.dead_letter, elsewhere)
        self._scheduler = RetryScheduler(stores.retry, self._progress, self._delivery, self._place, spec.max_age)
        self.parked = ParkedEvents(stores.dead_letter, stores.outcomes, self._progress, self._scheduler)
        self.resending = Resending(stores.history, self._progress, self._scheduler, self._repeat)
        self._lanes = Lanes(self._delivery.planner, lambda lane: self._start(self._drive(lane)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._closing = False
        self._undecided: list[tuple[float, Item]] = []
        self._undecided_for = ("", 0.0)
        self._doubted: list[int] = []
        self._evicted = ledger.counts[Outcome.EVICTED]
        self._room = asyncio.Event()
        self._stirred = asyncio.Event()
        self._busy = 0

    async def restore(self) -> None:
        """Take over what waits in the retry stream."""
        await self._scheduler.restore()
        await self.parked.restore()
        await self._recall_doubts()

    async def run(self) -> None:
        """Work until cancelled. Raises what must not be survived, :class:`~kigeon.errors.Fenced` among it.

        It does not wait for the other tasks then: one that waits for the queue may not hear that it is cancelled.
        """
        self._failed = asyncio.get_running_loop().create_future()
        self._start(self._read())
        self._start(self._look_after())
        self._start(self._prove())
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
        with suppress(TimeoutError):
            await asyncio.wait_for(self._delivery.prove(0.0), PROVE_AT_END)
        await self._progress.save()

    def close(self) -> None:
        """Let go of the threads."""
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._delivery.close()
        self._spec.sink.close()

    async def _recall_doubts(self) -> None:
        """Have what an earlier run sent and never saw proven sent again: its destination may not hold it."""
        offsets = list(self._ledger.doubts)
        if offsets:
            log.info("what was sent and not proven to be held is sent again", extra={"events": len(offsets)})
            await persistently("reading what is in doubt", lambda: self.resending.send_doubted(offsets))
            self._scheduler.hurry(AGAIN)

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
            "ended": {str(outcome): count for outcome, count in self._ledger.ended.items()},
            "position": self._ledger.lowest_open,
            "next": self._ledger.next_sequence,
            "first": self._ledger.first_offset,
            "number": self._ledger.next_offset,
            "resent": self._ledger.resent,
            "inMemory": self._ledger.open_events,
            "retrying": self._scheduler.waiting_events,
            "blocked": sorted(lane.label for lane in self._lanes if lane.is_blocked),
            "open": self._ledger.open_everywhere,
            "undecided": self._undecided_events(),
            "held": self._lanes.report(self._scheduler.events_for),
            **self._delivery.report(),
        }

    def waits(self) -> list[Wait]:
        """Return what events wait for now, the most of them first, at most :data:`MOST_WAITS`."""
        now = time.time()
        waits = [*waits_of(self._lanes, self._retrying, now), *self._waits_undecided(now)]
        return sorted(waits, key=lambda wait: -wait.events)[:MOST_WAITS]

    def _waits_undecided(self, now: float) -> Iterator[Wait]:
        """Yield what those wait for of whom neither the filter nor the hook could say anything."""
        reason, since = self._undecided_for
        if events := self._undecided_events():
            due = min((at - time.monotonic() for at, _ in self._undecided), default=self._scheduler.due(UNDECIDED))
            reason = reason or "neither the filter nor the hook has decided on them yet"
            yield Wait("", reason, events, since=since, next_try=now + max(due, 0.0))

    def _note_undecided(self) -> None:
        """Forget why events were undecided once none is."""
        if not self._undecided_events():
            self._undecided_for = ("", 0.0)

    def _undecided_events(self) -> int:
        return len(self._undecided) + self._retrying(UNDECIDED)

    def _retrying(self, label: str) -> int:
        return self._scheduler.events_for(label)

    async def _read(self) -> None:
        backoff = Backoff(base=0.1, cap=5.0)
        most = 8
        read: deque[StoredEnvelope] = deque()
        await persistently("looking at the events stream", self._check_stream)
        await self._log.seek(self._ledger.read_from)
        await self._doubted_first()
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

    async def _doubted_first(self) -> None:
        """Wait until what is in doubt was tried, for a while: after what is newer it may be too late."""
        deadline = time.monotonic() + DOUBTED_FIRST
        while self._scheduler.is_sending_again and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    def _take_what_fits(self, read: deque[StoredEnvelope]) -> list[StoredEnvelope]:
        """Take the next envelopes off *read*: how many they hold was not known when they were asked for."""
        taken, events = [read.popleft()], self._ledger.open_events
        while read and (events := events + declared_count(taken[-1].headers)) < 2 * MAX_WINDOW_EVENTS:
            taken.append(read.popleft())
        return taken

    async def _check_stream(self) -> None:
        """Begin at the start of a stream that was made anew or cut short: its sequences begin anew somewhere."""
        if await self._log.stream_was_recreated(self._ledger.next_sequence, self._ledger.next_offset):
            log.error("the events stream was damaged or made anew, reading it from its start")
            self._ledger.rewind()
            await self._log.seek(self._ledger.read_from)

    async def _admit(self, envelopes: Sequence[StoredEnvelope]) -> int:
        self._busy += 1
        self._stirred.set()
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
            # How many events it holds is not known: until it is parked nothing after it can be booked.
            while not await self._delivery.park_envelope(envelope.sequence, envelope.payload, str(error)):
                await asyncio.sleep(TICK)
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
            if await self._delivery.park_envelope(envelope.sequence, envelope.payload, str(error)):
                self._end_page(page, whole(envelope.sequence))
            else:
                self._start(self._park_envelope(page, envelope, str(error)))
            return []
        return [Item(page, index, raw[index]) for index in page.open_indexes()]

    async def _park_envelope(self, page: EnvelopeProgress, envelope: StoredEnvelope, problem: str) -> None:
        """Park an envelope whose events can't be read, as soon as there is room; others do not wait for it."""
        while not await self._delivery.park_envelope(envelope.sequence, envelope.payload, problem):
            await asyncio.sleep(TICK)
        self._end_page(page, whole(envelope.sequence))
        self._room.set()

    def _end_page(self, page: EnvelopeProgress, reason: str) -> None:
        for index in list(page.open_indexes()):
            self._ledger.end(page, index, Outcome.PARKED, reason)

    async def _place(self, items: Sequence[Item]) -> list[Item]:
        """Prepare *items* and put them on their lanes; return those that can't be decided now."""
        if not items:
            return []
        loop = asyncio.get_running_loop()
        raw = [item.raw for item in items]
        steps = await loop.run_in_executor(self._preparing, self._spec.prepare, raw)
        undecided: list[Item] = []
        entering: list[Item] = []
        for item, step in zip(items, steps, strict=True):
            if not isinstance(step, Final | Deferred):
                item.entry = step
                entering.append(item)
            elif isinstance(step, Deferred) or not await self._end(item, step):
                undecided.append(item)
                self._undecided_for = (step.reason, self._undecided_for[1] or time.time())
        self._lanes.enter(entering)
        return undecided

    async def _hold(self, lane: Lane, items: Sequence[Item], hold: Hold) -> None:
        held, unloaded = self._lanes.hold(lane, items, hold)
        await self._scheduler.unload(unloaded, held.label)

    def _reroute(self, lane: Lane, items: Sequence[Item]) -> list[Item]:
        return self._lanes.reroute(lane, items)

    async def _postpone(self, items: Sequence[Item]) -> None:
        """Try *items* again when their time may have come."""
        self._defer(await self._scheduler.set_aside(items))

    async def _repeat(self, items: Sequence[Item]) -> None:
        """Send *items* again, which were sent before."""
        self._defer(await self._place(items))

    def _doubt(self, offsets: Sequence[int]) -> None:
        """Have events sent again that were booked as sent: their destination may not hold them."""
        if offsets:
            log.warning(
                "a stream was refused that was known, what went to it is sent again", extra={"events": len(offsets)}
            )
            self._doubted += offsets

    async def _end(self, item: Item, step: Final) -> bool:
        if step.outcome is Outcome.PARKED:
            return await self._delivery.park(item, step.reason)
        self._ledger.end(item.page, item.index, step.outcome, step.reason)
        return True

    async def _drive(self, lane: Lane) -> None:
        """Push what is on *lane*, oldest first, for as long as there is anything."""
        while lane.items or self._scheduler.waits_for(lane.label):
            await asyncio.sleep(lane.wait)
            await self._load_for(lane)
            push = lane.take()
            if not push:
                # What it loaded is on its way elsewhere by now, or there is too much of that.
                await asyncio.sleep(0.01)
            else:
                await self._scheduler.unload(await self._delivery.deliver(lane, push), lane.label)
                await self._scheduler.close_done(push)
                self._room.set()
        self._lanes.close(lane)

    async def _load_for(self, lane: Lane) -> None:
        """Load of what waits for *lane* one page to try with, or a whole push where the last one arrived."""
        if lane.has_retries:
            return
        while self._scheduler.waits_for(lane.label) and self._scheduler.loaded_events < MAX_WINDOW_EVENTS:
            await self._scheduler.load_next(lane.label)
            if lane.is_blocked or lane.fills_a_push:
                return

    def _is_full(self) -> bool:
        """Whether reading pauses. Events of stalled pushes do not count, up to one extra window."""
        events, pages = self._ledger.open_events, self._ledger.open_pages
        if events < MAX_WINDOW_EVENTS and pages < MAX_WINDOW_PAGES:
            return False
        hanging = [item.page for lane in self._lanes for item in self._lanes.hanging(lane)]
        held = [page for page in hanging if not page.is_retry and not page.is_repeat]
        events -= min(len(held), MAX_WINDOW_EVENTS)
        pages -= min(len(set(held)), MAX_WINDOW_PAGES)
        return events >= MAX_WINDOW_EVENTS or pages >= MAX_WINDOW_PAGES

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
            rest = await self._scheduler.move(waiting, UNDECIDED)
            moved += len(waiting) - len(rest)
            self._defer(rest)
        # Side by side: what is booked together is durable in one write.
        stuck = [lane for lane in self._lanes if self._is_stuck(lane)]
        return moved + sum(await asyncio.gather(*(self._move_away(lane) for lane in stuck)))

    def _is_stuck(self, lane: Lane) -> bool:
        """Whether what waits on *lane* may be moved out of the way of others."""
        if lane.key == COMMON and not self._spec.may_route:
            return False
        held = lane.key != COMMON or lane.is_blocked or bool(self._lanes.hanging(lane))
        return held or self._scheduler.waits_for(lane.label)

    async def _move_away(self, lane: Lane) -> int:
        waiting = lane.take_waiting()
        rest = await self._scheduler.move(waiting, lane.label)
        if rest:
            self._lanes.lane(lane.destination, lane.key).add(rest)
        return len(waiting) - len(rest)

    def _defer(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.page.is_repeat:
                # Once was enough.
                self._ledger.end(item.page, item.index, Outcome.SKIPPED)
                continue
            item.attempts += 1
            self._undecided.append((time.monotonic() + retry_delay(item.attempts), item))

    async def _look_after(self) -> None:
        """Look at what is due, and keep the position of events that ended without a push."""
        while not self._closing:
            self._note_undecided()
            await self._wait_for_a_look()
            self._stirred.clear()
            self._note_undecided()
            await self._retry_undecided()
            await self._scheduler.retry_held()
            if self._scheduler.loaded_events < MAX_WINDOW_EVENTS:
                await self._load_due()
            self._tell_evicted()
            await self._progress.save()
            await self._send_doubted()

    def _is_idle(self) -> bool:
        """Whether every event that was read has ended."""
        return not (self._ledger.open_events or self._ledger.retry_open or self._doubted)

    async def _wait_for_a_look(self) -> None:
        """Return a tick after something was under way, or read since the last look; otherwise when that is due."""
        if self._is_idle():
            try:
                await asyncio.wait_for(self._stirred.wait(), IDLE_TICK)
            except TimeoutError:
                return
        await asyncio.sleep(TICK)

    async def _send_doubted(self) -> None:
        offsets, self._doubted = self._doubted, []
        if not offsets:
            return
        try:
            await self.resending.send_doubted(offsets)
        except QueueError as error:
            log.warning("what is in doubt can't be read again, trying again", extra={"error": str(error)})
            self._doubted += offsets

    async def _prove(self) -> None:
        """Have what was sent without a proof proven, now and then."""
        while not self._closing:
            await asyncio.sleep(PROVE_EVERY)
            await self._delivery.prove()

    def _tell_evicted(self) -> None:
        evicted = self._ledger.counts[Outcome.EVICTED]
        if evicted > self._evicted:
            context = {"events": evicted - self._evicted, "evicted": evicted}
            few.error("events are gone from the queue that were not sent", extra=context)
        self._evicted = evicted

    async def _load_due(self) -> None:
        """Load of the retry stream what no lane asks for: what has no destination, or one that has no lane yet."""
        await self._scheduler.load_due()
        lanes = {lane.label for lane in self._lanes}
        for label in [label for label in self._scheduler.labels() if label not in lanes][:8]:
            await self._scheduler.load_next(label)

    async def _retry_undecided(self) -> None:
        now = time.monotonic()
        due = [item for at, item in self._undecided if at <= now]
        if not due:
            return
        self._undecided = [(at, item) for at, item in self._undecided if at > now]
        oldest = self._clock.now() - self._spec.max_age
        for item in due:
            if item.page.stored_at < oldest:
                self._ledger.end(item.page, item.index, Outcome.EVICTED, TOO_OLD)
        self._defer(await self._place([item for item in due if item.page.stored_at >= oldest]))

    def _is_drained(self, target: int) -> bool:
        stuck = not self._busy and all(lane.is_blocked for lane in self._lanes)
        return stuck and (self._ledger.read_from > target or self._is_full())
