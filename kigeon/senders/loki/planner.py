"""Loki's planner: it gets a proof for every event, although an answer speaks only for the last stream of a push.

So each push proves one stream, its last. Other streams ride along only where Loki can't refuse them, by what is known
(:mod:`kigeon.senders.loki.known`): they exist, their lines are not late, and they take few bytes, or fewer than the
stream that the same push proves. New streams, late lines and the heaviest stream go last, or alone. Where no stream has
to be proven, the stream with the oldest proof goes last: in steady flow proofs cost no push of their own.
The lines of a stream in one push are so close in time that none of them is late when the push is repeated.
A refused stream waits without holding up others: new streams wait together where the tenant has reached its limit of
streams, a stream at its rate limit waits on its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from math import inf

from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.planner import COMMON, Hold, PushResult
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.composing import AT_ONCE, PushComposer, Pushes, push_of, split_at
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.known import KnownStreams, grouped, repeatable, size_of
from kigeon.senders.loki.refusals import Fault, Refusal, find_stream
from kigeon.senders.loki.streams import Stream
from kigeon.senders.loki.suspects import CALM_AFTER, Suspects

NEW_STREAMS = " (new streams)"
"""The key of the queue of new streams for which Loki has no room yet."""

LATE = "late"
"""The label of a stream of lines that were too far behind their own."""


class LokiPlanner:
    """The planner of one destination."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known = KnownStreams()
        self._composer = PushComposer(self._known)
        self._held: dict[Stream, str] = {}
        self._is_full = False
        self._refused_at = -inf
        self._suspects = Suspects(clock)
        self._generation = 0
        self._planned_for = 0

    def take_over(self) -> None:
        """Take into account what a predecessor may have pushed until now: Loki may take little more of a stream."""
        self._refused_at = self._clock()
        self._known.assume_full(self._refused_at)

    def route(self, entry: LokiEntry) -> str:
        """Return the key of a held-up stream's queue, of the new streams' queue, or of the common queue."""
        if entry.stream in self._held:
            return self._held[entry.stream]
        # Each stream is tried once: Loki may have it without this planner's knowledge.
        return NEW_STREAMS if self._is_full and self._known.state(entry.stream).refused_at > -inf else COMMON

    def released(self, key: str) -> None:
        """Return the streams of the queue *key* to the common queue."""
        self._held = {stream: held for stream, held in self._held.items() if held != key}
        if key == NEW_STREAMS:
            self._is_full = False

    def took_others_since(self, accused: Item) -> bool:
        """Whether the destination took anything since an event was refused alone."""
        return self._suspects.took_others_since(accused)

    # ---------------------------------------------------------------------------------------------------- what to push

    def plan(self, items: Sequence[Item], key: str) -> Pushes:
        """Return the pushes that may go side by side, and the items to plan when these are answered."""
        if self._suspects.is_destination_suspicious:
            probe = next((item for item in items if not item.accused_for), items[0])
            return [[probe]], [item for item in items if item is not probe]
        groups, younger = repeatable(grouped(items))
        if key == COMMON:
            self._planned_for = self._generation
            now = self._clock()
            pushes, rest = self._composer.compose(groups, now, now - self._refused_at >= CALM_AFTER)
        else:
            # One stream tries whether there is room again, each time another one: ingesters do not fill up alike.
            waiting = sorted(groups, key=lambda stream: self._known.state(stream).refused_at)
            most = 1 if self._refused_at >= self._suspects.took_at else AT_ONCE // 8
            pushes, rest = split_at([groups[stream] for stream in waiting], most)
        return pushes, rest + younger

    # -------------------------------------------------------------------------------------------- what an answer means

    def settle(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Return what *answer* means for each event of *push*."""
        self._note_generation(answer)
        result = self._meaning(push, answer)
        result.unproven, result.certain = self._known.take_news()
        return result

    def _note_generation(self, answer: Answer) -> None:
        """Forget which streams exist when a connection was lost: Loki may have been restarted, and know no stream."""
        if answer.generation > self._generation:
            self._generation = answer.generation
            self._known.forget()

    def _meaning(self, push: Sequence[Item], answer: Answer) -> PushResult:
        self._suspects.answered()
        if answer.status is PushStatus.DELIVERED:
            return self._took(push)
        if answer.status is PushStatus.STREAM:
            return self._refused(push, answer, answer.refusals[0])
        if answer.status is PushStatus.INVALID and answer.refusals:
            return self._sort_out(push, answer)
        if answer.status in (PushStatus.INVALID, PushStatus.SPLIT):
            return self._suspects.narrow_down(push, answer)
        if answer.status is PushStatus.RETRY and not answer.reason.startswith("429"):
            # Loki may have been restarted, and know none of its streams.
            self._known.forget()
        return PushResult(away=list(push))

    def overdue(self, after: float | None = None) -> list[LokiEntry]:
        """Return the newest line of each stream whose proof is overdue."""
        return self._known.overdue(self._clock(), after)

    def proven(self, entry: LokiEntry, answer: Answer) -> PushResult:
        """Take the answer to a repeat of *entry*: it proves the stream, or leaves the stream's events in doubt."""
        result = PushResult()
        self._note_generation(answer)
        if answer.status is PushStatus.DELIVERED:
            self._known.prove_again(entry.stream, self._clock())
        elif answer.status is PushStatus.STREAM:
            result.doubted = self._doubts(entry.stream, [], answer.refusals[0])
        elif answer.status is PushStatus.INVALID and answer.refusals:
            # No repeat of this entry will ever prove anything.
            result.doubted = self._known.refused_alone(entry.stream)
        result.unproven, result.certain = self._known.take_news()
        return result

    def unproven(self) -> list[int]:
        """Return the offsets of events that rode along and are neither proven nor doubted."""
        return self._known.unproven()

    def figures(self) -> Mapping[str, int]:
        """Return how many streams are known, proven and held, and how many events are in doubt."""
        return {**self._known.figures(self._clock()), "held": len(self._held)}

    def _took(self, push: Sequence[Item]) -> PushResult:
        """Note what Loki took; push again what rode along if Loki may have been restarted since the planning."""
        now = self._clock()
        self._suspects.took()
        groups = grouped(push)
        last, proven = groups.popitem()
        self._known.prove(last, proven, now)
        if self._generation > self._planned_for:
            return PushResult(sent=proven, again=push_of(list(groups.values())))
        for stream, group in groups.items():
            self._known.ride(stream, group, now)
        return PushResult(sent=list(push))

    def _refused(self, push: Sequence[Item], answer: Answer, refusal: Refusal) -> PushResult:
        """Handle a refused stream. Nothing is known of the others: Loki does not say then which lines were invalid."""
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
            return Hold(NEW_STREAMS, answer.reason, cure=answer.cure)
        key = self._held.setdefault(stream, _key_of(stream))
        most = size_of(group) // 2
        most = min(most, int(refusal.rate)) if refusal.rate else most
        return Hold(key, answer.reason, refusal.rate, most, answer.cure)

    def _late(self, group: list[Item], answer: Answer, refusal: Refusal) -> PushResult:
        """Handle late lines: Loki refused the oldest ones, as many as it says, and took the others."""
        ordered = _by_time(group)
        if refusal.of != len(group) or not 0 < refusal.count <= len(group):
            # A part of the stream was refused elsewhere, or Loki has it already: halves tell more.
            return self._suspects.narrow_down(group, answer)
        late, taken = ordered[: refusal.count], ordered[refusal.count :]
        if taken:
            self._known.prove(taken[0].entry.stream, taken, self._clock())
        result = PushResult(sent=taken)
        for item in late:
            if item.entry is None or not item.page.may_be_late or dict(item.entry.stream).get(LATE):
                result.parked.append((item, answer.reason))
            else:
                item.entry = in_late_stream(item.entry)
                result.again.append(item)
        return result

    def _sort_out(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Handle invalid lines: Loki names them, and holds the others."""
        result = PushResult()
        groups = grouped(push)
        named: dict[int, Fault] = {}
        for refusal in answer.refusals:
            stream = find_stream(refusal.stream, list(groups))
            found = [item for item in groups.get(stream or (), ()) if _is_named(item, refusal)]
            if len(found) != refusal.count:
                return self._suspects.narrow_down(push, answer)
            named.update((id(item), refusal.fault) for item in found)
        valid = [item for item in push if id(item) not in named]
        if valid:
            result = self._took(valid)
        for item in push:
            fault = named.get(id(item))
            if fault is Fault.NEW:
                result.later.append(item)
            elif fault is not None:
                result.parked.append((item, answer.reason))
        return result


def in_late_stream(entry: LokiEntry) -> LokiEntry:
    """Return *entry* in the late stream of its hour, which depends only on the event and its labels."""
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
