"""A sender's lanes before a stand-in Loki, without sockets and with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from kigeon.senders.delivery.delivery import Delivery, Elsewhere
from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.parking import Parking
from kigeon.senders.delivery.planner import Hold, PushPlanner
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.answers import answer_of
from kigeon.senders.loki.body import HEADERS, body_of
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.planner import LokiPlanner
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from tests.support.loki import Loki

DESTINATION = LokiDestination("http://loki", "t")


class Clock:
    """Seconds; it stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class InProcessSink:
    """Hands pushes to a stand-in as HTTP would."""

    def __init__(self, loki: Loki, clock: Clock) -> None:
        self._loki = loki
        self._clock = clock
        self.requests = 0
        self.lose_next = 0
        """Answers that do not arrive, although the push did."""
        self.losses = 0
        self.ever_held: set[tuple[str, int]] = set()

    def planner(self, destination: LokiDestination) -> PushPlanner:
        return LokiPlanner(self._clock)

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        self.requests += 1
        body = body_of(entries, destination.encoding)
        status, text, retry_after = self._loki.take(destination.tenant_id or "", HEADERS[destination.encoding], body)
        self.ever_held |= {(line.line, line.timestamp) for line in self._loki.lines}
        if self.lose_next:
            self.lose_next -= 1
            return Answer(PushStatus.RETRY, "the connection broke", generation=self.losses)
        answer = answer_of(status, text.encode(), None if retry_after is None else str(retry_after))
        return replace(answer, generation=self.losses)


class Saving:
    """What a delivery needs of a sender's progress."""

    def __init__(self) -> None:
        self.ledger = Ledger(Position())

    async def save(self) -> None:
        return None


class Letters:
    """What a delivery needs of a dead-letter store."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    async def park(self, number: int, sequence: int, event: bytes, reason: str) -> None:
        self.reasons[number] = reason


class Simulation:
    """Lanes as the engine has them. ``sent`` are the offsets of what is booked as sent."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.loki = Loki()
        started = time.time()
        self.loki.clock = lambda: started + self.clock.now - 1000.0
        self.sink = InProcessSink(self.loki, self.clock)
        self.letters = Letters()
        self.later: list[Item] = []
        self.items: dict[int, Item] = {}
        self._saving = Saving()
        self._entries: dict[int, LokiEntry] = {}
        self._begin()

    def _begin(self) -> None:
        elsewhere = Elsewhere(self._hold, self._reroute, self._postpone, self._doubt)
        self.delivery = Delivery(self.sink, self._saving, Parking(self._saving.ledger, self.letters), elsewhere)  # type: ignore[arg-type]
        self._ways = Lanes(self.delivery.planners.of, lambda lane: None, self.clock)

    def crash(self) -> None:
        """Have the sender forget all but its position, and its successor begin with what that says."""
        self.delivery.close()
        self.later = []
        self._begin()
        self._doubt(list(self._saving.ledger.doubts))
        waiting = [n for n, item in self.items.items() if not item.page.ended and n not in self.letters.reasons]
        self.items.update({n: Item(self.items[n].page, 0, b"{}", self._entries[n]) for n in waiting})
        self._ways = Lanes(self.delivery.planners.of, lambda lane: None, self.clock)
        self._ways.enter([self.items[n] for n in waiting])

    def restart(self) -> None:
        """Have Loki forget its streams while nothing is pushed; the connection to it is lost, and made anew."""
        self.loki.restart()
        self.disconnect()

    def disconnect(self) -> None:
        """Have the connection end while nothing is pushed: that of a Loki that goes on, or does not."""
        self.sink.losses += 1

    def close(self) -> None:
        """Let go of threads and socket."""
        self.delivery.close()
        self._loop.close()
        self.loki.close()

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return int(self.loki.clock() * 1e9)

    def add(self, *lines: tuple[str, int, int]) -> None:
        """Have lines sent: their stream, how many seconds they lie behind now, and their size."""
        for stream, behind, size in lines:
            number = len(self.items) + 1
            page = self._saving.ledger.envelopes.admit(number, number, 1, 0.0)
            assert page is not None
            text = f"{number} {'x' * size}"
            labels = (("app", "k"), ("namespace", stream))
            entry = LokiEntry(
                DESTINATION, labels, self.now() - behind * 10**9 + number, text, {"n": str(number)}, size + 60
            )
            self._entries[number] = entry
            self.items[number] = Item(page, 0, b"{}", entry)
            self._ways.enter([self.items[number]])

    @property
    def waiting(self) -> set[int]:
        """The numbers of what waits on some lane, or for its time."""
        return {item.offset for lane in self._ways for item in lane.items} | {i.offset for i in self.later}

    @property
    def sent(self) -> set[int]:
        return {n for n, item in self.items.items() if item.page.ended} - self.letters.reasons.keys()

    @property
    def doubts_are_booked(self) -> bool:
        """Whether what would be doubted after a crash is what the planner has no proof of."""
        booked = set(self._saving.ledger.doubts)
        return booked == set(self.delivery.planners.of(DESTINATION).unproven()) and booked <= self.sent

    @property
    def not_held(self) -> set[int]:
        """The numbers of what is booked as sent and was never held."""
        lines = {n: (item.entry.line, item.entry.timestamp) for n, item in self.items.items() if item.entry}
        return {number for number in self.sent if lines[number] not in self.sink.ever_held}

    def run(self, seconds: float = 0.0) -> None:
        """Push what may be pushed; then move the clock, in steps, and push what is due."""
        self._loop.run_until_complete(self._run(seconds))

    def prove(self) -> None:
        """Have what is in doubt proven, as a sender at rest does."""
        self.clock.now += 61
        self._loop.run_until_complete(self.delivery.prove())

    async def _run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while True:
            for lane in self._ways:
                while lane.items and not lane.wait:
                    await self.delivery.deliver(lane, lane.take())
                if not lane.items:
                    self._ways.close(lane)
            if self.clock.now >= end:
                return
            self.clock.now = min(self.clock.now + 1.0, end)
            later, self.later = self.later, []
            self._ways.enter(later)

    async def _hold(self, lane: Lane, items: Sequence[Item], hold: Hold) -> None:
        self._ways.hold(lane, items, hold)

    def _reroute(self, lane: Lane, items: Sequence[Item]) -> list[Item]:
        return self._ways.reroute(lane, items)

    async def _postpone(self, items: Sequence[Item], reason: str) -> None:
        self.later += items

    def _doubt(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            item = self.items[number]
            assert item.page.ended
            item.page.ended = 0
            self._saving.ledger.counts[Outcome.SENT] -= 1
            self._saving.ledger.doubts.discard([number])
            self._ways.enter([item])
