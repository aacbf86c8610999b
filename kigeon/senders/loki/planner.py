"""Loki's planner: a receipt for every event, although an answer speaks for the last stream of a push alone.

So each push has one stream that it proves, its last. Others ride along only where they can't be refused by what is
known (:mod:`kigeon.senders.loki.known`): they exist, their lines are not late, and they take few bytes, or fewer than
the stream that the same push proves. New streams, late lines and the stream that takes the most go last, or alone.
Where nothing has to be proven the stream goes last whose proof is the oldest: in steady flow proofs cost no push.

The lines of a stream in one push are so close in time that none of them is late when the push is repeated.

A refusal of one stream holds up that stream: new streams wait together where the tenant has as many as it may, a
stream that takes no more bytes waits on its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from heapq import nsmallest
from math import inf

from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.planner import COMMON, Hold, PushResult
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.known import KnownStreams, grouped, repeatable, size_of
from kigeon.senders.loki.refusals import Fault, Refusal, find_stream
from kigeon.senders.loki.streams import Stream

NEW_STREAMS = " (new streams)"
"""The key of the queue of streams that have no room yet."""

LATE = "late"
"""The label of a stream of lines that were too far behind their own."""

CALM_AFTER = 60.0
"""Seconds after a refusal until unproven streams may share a push with others again."""

AT_ONCE = 64
"""Pushes that are planned at once."""

EAGERLY = 8
"""Streams of each push that are proven in pushes of their own while too much is in doubt."""

SUSPICIOUS = 2
"""Events refused alone in a row, for no known reason, after which the destination is at fault."""

Groups = dict[Stream, list[Item]]


class LokiPlanner:
    """One destination's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known = KnownStreams()
        self._held: dict[Stream, str] = {}
        self._is_full = False
        self._refused_at = -inf
        self._took_at = -inf
        self._answers = 0
        self._took_last = 0
        self._lone = 0

    def take_over(self) -> None:
        """Reckon with what a predecessor pushed up to now: Loki may take little more of a stream."""
        self._refused_at = self._clock()
        self._known.assume_full(self._refused_at)

    def route(self, entry: LokiEntry) -> str:
        """Return the queue of a stream that is held up, of new streams where there is no room, or the common one."""
        if entry.stream in self._held:
            return self._held[entry.stream]
        # Each stream is tried once: Loki may have it, although that is not known here.
        return NEW_STREAMS if self._is_full and self._known.state(entry.stream).refused_at > -inf else COMMON

    def released(self, key: str) -> None:
        """Have the streams of the queue *key* go with the others again."""
        self._held = {stream: held for stream, held in self._held.items() if held != key}
        if key == NEW_STREAMS:
            self._is_full = False

    def took_others_since(self, accused: Item) -> bool:
        """Whether the destination took anything since an event was refused alone."""
        return self._took_last > accused.accused_at

    # ---------------------------------------------------------------------------------------------------- what to push

    def plan(self, items: Sequence[Item], key: str) -> tuple[list[list[Item]], list[Item]]:
        """Return the pushes that may go side by side, and what is planned when they are answered."""
        if self._lone >= SUSPICIOUS:
            probe = next((item for item in items if not item.accused_for), items[0])
            return [[probe]], [item for item in items if item is not probe]
        groups, younger = repeatable(grouped(items))
        if key == COMMON:
            pushes, rest = self._plan_common(groups)
        else:
            # A first one shows whether there is room again, each time another: ingesters do not fill up alike.
            waiting = sorted(groups, key=lambda stream: self._known.state(stream).refused_at)
            most = 1 if self._refused_at >= self._took_at else AT_ONCE // 8
            pushes, rest = _split_at([groups[stream] for stream in waiting], most)
        return pushes, rest + younger

    def _plan_common(self, groups: Groups) -> tuple[list[list[Item]], list[Item]]:
        now = self._clock()
        alone, riders, heavy = self._told_apart(groups, now)
        if now - self._refused_at < CALM_AFTER:
            alone += heavy.values()
            pushes, rest = _split_at(alone, AT_ONCE)
            return ([self._riding(riders), *pushes] if riders else pushes), rest
        if alone:
            return self._sharing(riders, alone, [item for group in heavy.values() for item in group])
        return self._led(riders, heavy) if heavy else ([self._riding(riders)], [])

    def _told_apart(self, groups: Groups, now: float) -> tuple[list[list[Item]], Groups, Groups]:
        """Return what has to be proven, what may ride along, and what may where a stream that takes more is proven."""
        riders: Groups = {}
        heavy: Groups = {}
        alone: list[list[Item]] = []
        for stream, group in groups.items():
            if not self._known.exists(stream, now) or not self._known.is_in_order(stream, group):
                alone.append(group)
            elif self._known.takes(self._known.levels(stream, size_of(group), now)):
                riders[stream] = group
            else:
                heavy[stream] = group
        if self._known.is_doubtful:
            oldest = nsmallest(EAGERLY, riders, key=lambda stream: self._known.state(stream).proven_at)
            alone += [riders.pop(stream) for stream in oldest]
        return alone, riders, heavy

    def _riding(self, riders: Groups) -> list[Item]:
        """Return one push, of which the stream goes last whose proof is the oldest."""
        last = min(riders, key=lambda stream: self._known.state(stream).proven_at)
        return _push_of([*(group for stream, group in riders.items() if stream != last), riders[last]])

    @staticmethod
    def _sharing(riders: Groups, alone: list[list[Item]], rest: list[Item]) -> tuple[list[list[Item]], list[Item]]:
        """Have the first that is to be proven go last behind what rides along."""
        first, *others = alone
        pushes, later = _split_at(others, AT_ONCE)
        return [_push_of([*riders.values(), first]), *pushes], [*rest, *later]

    def _led(self, riders: Groups, heavy: Groups) -> tuple[list[list[Item]], list[Item]]:
        """Have the stream go last that takes the most: what takes less rides along; the rest is planned later."""
        now = self._clock()
        levels = {stream: self._known.levels(stream, size_of(group), now) for stream, group in heavy.items()}
        last = max(levels, key=lambda stream: sum(levels[stream]))
        led = [stream for stream in heavy if stream != last and self._known.takes(levels[stream], levels[last])]
        push = _push_of([*riders.values(), *(heavy[stream] for stream in led), heavy[last]])
        rest = [group for stream, group in heavy.items() if stream != last and stream not in led]
        return [push], _push_of(rest)

    # -------------------------------------------------------------------------------------------- what an answer means

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Return what *answer* means for each event of *push*."""
        result = self._meaning(push, answer)
        result.unproven, result.certain = self._known.take_news()
        return result

    def _meaning(self, push: Sequence[Item], answer: Answer) -> PushResult:
        self._answers += 1
        if answer.status is PushStatus.DELIVERED:
            sent, again = self._took(push, answer)
            return PushResult(sent=sent, again=again)
        if answer.status is PushStatus.STREAM:
            return self._refused(push, answer, answer.refusals[0])
        if answer.status is PushStatus.INVALID and answer.refusals:
            return self._sort_out(push, answer)
        if answer.status in (PushStatus.INVALID, PushStatus.SPLIT):
            return self._narrow_down(push, answer)
        if answer.status is PushStatus.RETRY and not answer.reason.startswith("429"):
            # It may have been restarted, and know none of its streams.
            self._known.forget()
        return PushResult(away=list(push))

    def overdue(self, after: float | None = None) -> list[LokiEntry]:
        """Return the newest line of each stream whose proof is overdue."""
        return self._known.overdue(self._clock(), after)

    def proven(self, entry: LokiEntry, answer: Answer) -> PushResult:
        """Take the answer to a repeat of *entry*: its stream is proven, or what went to it is in doubt."""
        result = PushResult()
        if answer.status is PushStatus.DELIVERED:
            self._known.prove_again(entry.stream, self._clock(), answer.heard)
        elif answer.status is PushStatus.STREAM:
            result.doubted = self._doubts(entry.stream, [], answer.refusals[0])
        elif answer.status is PushStatus.INVALID and answer.refusals:
            # No repeat of it will ever prove anything.
            result.doubted = self._known.refused_alone(entry.stream)
        result.unproven, result.certain = self._known.take_news()
        return result

    def unproven(self) -> list[int]:
        """Return the offsets of what rode along, and is neither proven nor doubted."""
        return self._known.unproven()

    def figures(self) -> Mapping[str, int]:
        """Return how many streams are known, proven and held, and how many events are in doubt."""
        return {**self._known.figures(self._clock()), "held": len(self._held)}

    def _took(self, push: Sequence[Item], answer: Answer) -> tuple[list[Item], list[Item]]:
        """Return what of *push* is sent, and what is to be pushed again: what rode to a Loki that may be a new one."""
        now = self._clock()
        self._took_at, self._took_last, self._lone = now, self._answers, 0
        groups = grouped(push)
        last = next(reversed(groups))
        again: set[Stream] = set()
        for stream, group in groups.items():
            if stream == last:
                continue
            if self._known.has_existed(stream, answer.heard):
                self._known.ride(stream, group, now)
            else:
                self._known.unprove(stream)
                again.add(stream)
        self._known.prove(last, groups[last], now, answer.heard)
        if not again:
            return list(push), []
        return (
            [item for item in push if item.entry and item.entry.stream not in again],
            [item for item in push if item.entry and item.entry.stream in again],
        )

    def _refused(self, push: Sequence[Item], answer: Answer, refusal: Refusal) -> PushResult:
        """One stream was refused; of the others nothing is known: Loki does not say then which lines were not valid."""
        self._refused_at = self._clock()
        groups = grouped(push)
        stream = find_stream(refusal.stream, list(groups)) or next(reversed(groups))
        group = groups[stream]
        doubted = self._doubts(stream, group, refusal)
        others = [item for item in push if item.entry and item.entry.stream != stream]
        if refusal.fault is Fault.BEHIND:
            result = self._late(group, answer, refusal)
        else:
            result = PushResult(held=group, hold=self._hold(stream, group, answer, refusal))
        result.doubted = doubted
        result.again += others
        return result

    def _doubts(self, stream: Stream, group: Sequence[Item], refusal: Refusal) -> list[int]:
        if refusal.fault is Fault.STREAMS:
            return self._known.lost(stream, self._clock())
        if refusal.fault is Fault.RATE:
            return self._known.refused_for_rate(stream, size_of(group), self._clock())
        return self._known.refused_as_late(stream, _by_time(group)[: refusal.count])

    def _hold(self, stream: Stream, group: Sequence[Item], answer: Answer, refusal: Refusal) -> Hold:
        if refusal.fault is Fault.STREAMS:
            self._is_full = True
            return Hold(NEW_STREAMS, answer.reason)
        key = self._held.setdefault(stream, _key_of(stream))
        most = size_of(group) // 2
        return Hold(key, answer.reason, refusal.rate, min(most, int(refusal.rate)) if refusal.rate else most)

    def _late(self, group: list[Item], answer: Answer, refusal: Refusal) -> PushResult:
        """The oldest lines are refused, as many as Loki says; it has taken the others."""
        ordered = _by_time(group)
        if refusal.of != len(group) or not 0 < refusal.count <= len(group):
            # A part of the stream was refused elsewhere, or is there already: each half tells more.
            return self._narrow_down(group, answer)
        late, taken = ordered[: refusal.count], ordered[refusal.count :]
        if taken:
            self._known.prove(taken[0].entry.stream, taken, self._clock(), answer.heard)
        result = PushResult(sent=taken)
        for item in late:
            if item.entry is None or not item.page.may_be_late or dict(item.entry.stream).get(LATE):
                result.parked.append((item, answer.reason))
            else:
                item.entry = in_late_stream(item.entry)
                result.again.append(item)
        return result

    def _halve(self, result: PushResult, group: Sequence[Item]) -> None:
        middle = max(len(group) // 2, 1)
        result.pieces += [list(half) for half in (group[:middle], group[middle:]) if half]

    def _sort_out(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Loki names the lines that are not valid, and holds the others."""
        result = PushResult()
        groups = grouped(push)
        named: dict[int, Fault] = {}
        for refusal in answer.refusals:
            stream = find_stream(refusal.stream, list(groups))
            found = [item for item in groups.get(stream or (), ()) if _is_named(item, refusal)]
            if len(found) != refusal.count:
                return self._narrow_down(push, answer)
            named.update((id(item), refusal.fault) for item in found)
        valid = [item for item in push if id(item) not in named]
        if valid:
            result.sent, result.again = self._took(valid, answer)
        for item in push:
            fault = named.get(id(item))
            if fault is Fault.NEW:
                result.later.append(item)
            elif fault is not None:
                result.parked.append((item, answer.reason))
        return result

    def _narrow_down(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Something of *push* is refused, and nothing says what: an event alone first, and where that goes, halves."""
        if len(push) == 1:
            self._lone += 1
            return self._accuse(push[0], answer)
        if self._lone >= SUSPICIOUS:
            return PushResult(away=list(push), is_hopeless=True)
        result = PushResult()
        if answer.status is PushStatus.SPLIT or (self._lone == 0 and self._clock() - self._took_at < CALM_AFTER):
            self._halve(result, push)
        else:
            result.pieces = [list(push[:1]), list(push[1:])]
        return result

    def _accuse(self, item: Item, answer: Answer) -> PushResult:
        """Park an event that was refused alone before and after others were taken; accuse it else."""
        if item.accused_for and self.took_others_since(item):
            return PushResult(parked=[(item, answer.reason)])
        item.accused_at, item.accused_for = self._answers, answer.reason
        return PushResult(accused=[item], is_hopeless=self._lone >= SUSPICIOUS)


def in_late_stream(entry: LokiEntry) -> LokiEntry:
    """Return *entry* in the stream of its own hour: a function of the event and its labels alone."""
    hour = datetime.fromtimestamp(entry.timestamp // 10**9, UTC).strftime("%Y-%m-%dT%H")
    return entry._replace(stream=tuple(sorted((*entry.stream, (LATE, hour)))))


def _is_named(item: Item, refusal: Refusal) -> bool:
    entry = item.entry
    if entry is None:
        return False
    if refusal.fault in (Fault.OLD, Fault.NEW):
        return bool(entry.timestamp // 10**9 == refusal.size)
    if refusal.fault is Fault.LINE:
        return len(entry.line.encode()) == refusal.size
    return refusal.size in (
        len(entry.metadata),
        sum(len(k.encode()) + len(v.encode()) for k, v in entry.metadata.items()),
    )


def _key_of(stream: Stream) -> str:
    text = " {" + ", ".join(f"{name}={json.dumps(value)}" for name, value in stream) + "}"
    return text if len(text) <= 400 else f"{text[:400]}… {blake2b(text.encode(), digest_size=8).hexdigest()}"


def _by_time(group: Sequence[Item]) -> list[Item]:
    return sorted(group, key=lambda item: item.entry.timestamp if item.entry else 0)


def _push_of(groups: Sequence[list[Item]]) -> list[Item]:
    return [item for group in groups for item in group]


def _split_at(groups: list[list[Item]], most: int) -> tuple[list[list[Item]], list[Item]]:
    return groups[:most], _push_of(groups[most:])
