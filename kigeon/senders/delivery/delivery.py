"""Pushes events, and books what the answers mean for each: sent, parked, held up, or still to be sent."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from kigeon.senders.delivery.away import AwayOrigins
from kigeon.senders.delivery.figures import PushFigures
from kigeon.senders.delivery.lane import Blockage, Item, Lane
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.delivery.planner import COMMON, Hold, PushPlanner, PushResult
from kigeon.senders.delivery.planners import Planners
from kigeon.senders.delivery.pool import SIDE_BY_SIDE, PushPool
from kigeon.senders.delivery.sink import Begun, Sink, begin_of
from kigeon.senders.entry import Answer, Destination, Entry, PushStatus
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.progress import Progress
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

REFUSES_ALL = "the destination refuses event after event, and does not say what is wrong with them: see its own log"

TIME_TO_COME = "their time is to come: the destination does not take them before"
LETTERS_FULL = "they have to be parked, and the dead-letter stream is full"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where events go that a lane can't send now.

    ``hold`` moves events to a lane of their own, ``reroute`` returns the events that still belong to a lane,
    ``postpone`` takes events to be tried later, and why. ``doubt`` takes offsets of events that were booked as sent and
    may not be held. ``retrying`` tells how many events wait in the retry stream for a lane.
    """

    hold: Callable[[Lane, Sequence[Item], Hold], Awaitable[None]]
    reroute: Callable[[Lane, Sequence[Item]], list[Item]]
    postpone: Callable[[Sequence[Item], str], Awaitable[None]]
    doubt: Callable[[Sequence[int]], None]
    retrying: Callable[[str], int] = lambda label: 0


@dataclass(slots=True)
class Delivering:
    """The remaining work for the events that were taken off a lane."""

    todo: list[Item]
    pieces: deque[list[Item]] = field(default_factory=deque)
    accused: list[Item] = field(default_factory=list)
    away: list[Item] = field(default_factory=list)
    refusal: Answer | None = None
    hold: Hold | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is more to push now."""
        return bool(self.todo or self.pieces) and self.refusal is None and self.hold is None

    def rest(self) -> list[Item]:
        """Return all remaining events, in order."""
        return [*self.away, *(item for piece in self.pieces for item in piece), *self.todo, *self.accused]


class Delivery:
    """Pushes what a lane holds; the position is durable before the lane's next pushes."""

    def __init__(self, sink: Sink, progress: Progress, parking: Parking, elsewhere: Elsewhere) -> None:
        self._sink = sink
        self._progress = progress
        self._elsewhere = elsewhere
        self._begins = begin_of(sink)
        self._pool = PushPool()
        self._away = AwayOrigins()
        self._few = Limited(log)
        self._figures = PushFigures()
        self.planners = Planners(sink, progress.ledger)
        self.parking = parking

    def report(self) -> Mapping[str, Any]:
        """Return the figures of the pushes, and counts of the destinations' streams, as plain data."""
        troubles = [asdict(self.parking.trouble)] if self.parking.trouble is not None else []
        return {**self._figures.report(), "streams": self.planners.figures(), "troubles": troubles}

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    async def deliver(self, lane: Lane, items: Sequence[Item]) -> list[Item]:
        """Push *items*; return the events from the retry stream that were unloaded because the destination is away."""
        planner = self.planners.of(lane.destination)
        work = Delivering([item for item in items if not item.accused_for])
        work.accused = [item for item in items if item.accused_for]
        if not work.todo:
            # No other event could show whose fault the refusal is.
            work.todo, work.accused = work.accused, []
        while work.goes_on:
            await self._push_next(lane, planner, work)
            await self._progress.save()
            if not work.todo and not work.pieces and not work.refusal and not work.hold:
                self._judge(planner, work)
        if work.refusal is not None:
            return self._refused(lane, work.refusal, work.rest())
        if work.hold is not None:
            await self._elsewhere.hold(lane, work.rest(), work.hold)
        return []

    def refuse_unasked(self, lane: Lane) -> list[Item] | None:
        """Take for an answer to *lane*, which was refused, what others of its origin were told a moment ago.

        Return what it unloads; None where it is to ask itself.
        """
        answer = self._away.answer_for(lane.destination) if lane.is_blocked and lane.key == COMMON else None
        if answer is None:
            return None
        return lane.refused((), answer.retry_after, Blockage(answer.reason, answer.cure))[1]

    async def prove(self, after: float | None = None) -> None:
        """Prove the events that were sent without a proof more than *after* seconds ago."""
        for destination, planner in self.planners.all():
            entries = planner.overdue(after)
            for first in range(0, len(entries), SIDE_BY_SIDE):
                if not await self._prove(destination, planner, entries[first : first + SIDE_BY_SIDE]):
                    break

    async def _prove(self, destination: Destination, planner: PushPlanner, entries: Sequence[Entry]) -> bool:
        """Repeat *entries*, each in a push of its own; return whether each answer tells whether events are held."""
        answers = await asyncio.gather(*(self._ask(destination, [entry]) for entry in entries))
        told = True
        for entry, answer in zip(entries, answers, strict=True):
            result = planner.proven(entry, answer)
            self._note_doubts(result)
            told &= answer.status is PushStatus.DELIVERED or bool(result.doubted)
        return told

    def _note_doubts(self, result: PushResult) -> None:
        doubts = self._progress.ledger.doubts
        doubts.add(result.unproven)
        doubts.discard(result.certain)
        self._elsewhere.doubt(result.doubted)

    async def _push_next(self, lane: Lane, planner: PushPlanner, work: Delivering) -> None:
        pushes = self._next_pushes(lane, planner, work)
        if not pushes:
            return
        lane.push_started([item for push in pushes for item in push])
        try:
            answers = await asyncio.gather(*(self._push(lane.destination, push) for push in pushes))
        finally:
            lane.push_ended()
        for push, answer in zip(pushes, answers, strict=True):
            await self._settle(lane, planner.settle(push, answer), answer, work)

    def _next_pushes(self, lane: Lane, planner: PushPlanner, work: Delivering) -> list[list[Item]]:
        """Return the pushes that go side by side now; they are of the next piece where there are pieces."""
        is_piece = bool(work.pieces)
        items = self._elsewhere.reroute(lane, work.pieces.popleft() if is_piece else work.todo)
        pushes, rest = planner.plan(items, lane.key) if items else ([], [])
        if not is_piece:
            work.todo = rest
        elif rest:
            work.pieces.appendleft(rest)
        return pushes

    async def _push(self, destination: Destination, push: Sequence[Item]) -> Answer:
        return await self._ask(destination, [item.entry for item in push if item.entry is not None])

    async def _ask(self, destination: Destination, entries: Sequence[Entry]) -> Answer:
        push = partial(self._figures.timed, partial(self._sink.push, destination, entries))
        answer = await self._pool.run(destination.origin, push, partial(self._begin, destination, entries))
        self._away.note(destination, answer)
        return answer

    def _begin(self, destination: Destination, entries: Sequence[Entry]) -> Begun | None:
        begun = self._begins(destination, entries) if self._begins is not None else None
        return self._figures.timing(begun) if begun is not None else None

    async def _settle(self, lane: Lane, result: PushResult, answer: Answer, work: Delivering) -> None:
        # Doubts and outcomes become durable in one save.
        self._note_doubts(result)
        for item in result.sent:
            self._progress.ledger.end(item.page, item.index, Outcome.SENT)
        self._figures.sent(result.sent)
        unparked = [item for item, reason in result.parked if not await self.parking.park(item, reason, answer.cure)]
        if result.sent or result.parked:
            self._tell_back(lane, len(result.sent) + len(work.todo))
            lane.succeeded(sum(item.entry.size for item in result.sent if item.entry is not None))
        work.accused += result.accused
        work.pieces.extendleft(reversed(result.pieces))
        work.todo[:0] = result.again
        for items, why in ((result.later, TIME_TO_COME), (unparked, LETTERS_FULL)):
            if items:
                await self._elsewhere.postpone(items, why)
        if result.hold is not None:
            self._tell_held(lane, result.hold, len(result.held))
            if result.hold.key == lane.key:
                work.away, work.hold = [*work.away, *result.held], result.hold
            else:
                await self._elsewhere.hold(lane, result.held, result.hold)
        if result.away or result.is_hopeless:
            work.away += result.away
            work.refusal = _as_held(answer) if result.is_hopeless else answer

    @staticmethod
    def _judge(planner: PushPlanner, work: Delivering) -> None:
        """Try accused events once more if the destination has taken others; otherwise hold the destination."""
        accused, work.accused = work.accused, []
        for item in accused:
            if planner.took_others_since(item):
                work.pieces.append([item])
            else:
                work.accused.append(item)
        if work.accused and not work.pieces:
            work.refusal = _as_held(Answer(PushStatus.HOLD, work.accused[0].accused_for))

    def _refused(self, lane: Lane, answer: Answer, items: list[Item]) -> list[Item]:
        held = answer.status is PushStatus.HOLD
        delay, unloaded = lane.refused(items, answer.retry_after, Blockage(answer.reason, answer.cure, held))
        news = lane.is_news(answer.status.name)
        # A hook may have as many destinations behind one URL as there are events.
        few = self._few if news and not held else log
        few.log(
            (logging.ERROR if held else logging.WARNING) if news else logging.DEBUG,
            "the destination takes nothing until an operator acts, events are held"
            if held
            else "the destination is away, events wait",
            extra={
                "destination": lane.label,
                "reason": answer.reason,
                **({"cure": answer.cure} if answer.cure else {}),
                "delay": round(delay, 3),
                "events": len(items),
            },
        )
        return unloaded

    def _tell_back(self, lane: Lane, taken: int) -> None:
        """Log that a destination takes events again, for how long it did not, and how many events waited."""
        if lane.is_blocked and lane.key == COMMON:
            events = taken + len(lane.items) + self._elsewhere.retrying(lane.label)
            context = {"destination": lane.label, "seconds": round(lane.blocked_for, 1), "events": events}
            log.info("the destination takes events again", extra=context)

    @staticmethod
    def _tell_held(lane: Lane, hold: Hold, events: int) -> None:
        # The log tells when it begins; the accounts tell that it goes on.
        level = logging.DEBUG if lane.key == hold.key and lane.is_blocked else logging.WARNING
        extra = {
            "destination": lane.destination.label,
            "queue": hold.key.strip(),
            "reason": hold.reason,
            "cure": hold.cure,
        }
        log.log(level, "a stream takes nothing now, its events wait", extra={**extra, "events": events})


def _as_held(answer: Answer) -> Answer:
    cure = answer.cure or REFUSES_ALL
    return Answer(PushStatus.HOLD, answer.reason, answer.retry_after, cure)
