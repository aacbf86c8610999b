"""What is known of the streams of one destination: which exist in Loki, what was pushed, and what is not proven yet.

An answer speaks only for the last stream of a push. This last stream is *proven*: it exists, and Loki holds what was
pushed to it. Other streams of a push *ride along*, only where by the knowledge here Loki can't refuse them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from kigeon.senders.delivery.lane import Item
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.flow import FLOOR, FLOOR_RATE, Flow, Levels, asks_for_less
from kigeon.senders.loki.streams import Stream

KNOWN_FOR = 120.0
"""Seconds for which a proof shows that a stream exists: some Lokis flush it after three minutes without a line."""

DOUBTED_FOR = 60.0
"""Seconds after which events that rode along are proven by a push of their own, if no other push has proven them."""

BEHIND = 60 * 10**9
"""Nanoseconds that a line which rides along may be behind its stream's newest one: 1/60 of Loki's default limit."""

MOST_APART = 15 * 60 * 10**9
"""Nanoseconds between the oldest and the newest line of a stream in a push: a quarter of Loki's default limit."""

MAX_STREAMS = 20_000
FIGURES_EVERY = 5.0
"""Seconds between two counts of proven streams: there may be many."""

MAX_DOUBTS = 50_000
"""Events in doubt at one destination above which more streams are proven."""


@dataclass(slots=True)
class StreamState:
    """``proven_at``, and ``refused_at`` when there was no room since, are on the monotonic clock (-inf: never).

    ``newest`` and ``last`` are the newest time and the last entry of what was pushed and not refused.
    """

    proven_at: float = -inf
    refused_at: float = -inf
    newest: int = 0
    last: LokiEntry | None = None
    flow: Flow = field(default_factory=Flow)
    doubts: deque[tuple[float, Sequence[int]]] = field(default_factory=deque)
    """Pushes with which events rode along: the time, and the events' offsets."""
    oldest: int = 0
    """The time of the oldest line that is in doubt."""


class KnownStreams:
    """One destination's streams. Bounded: a stream that is forgotten is proven anew."""

    def __init__(self) -> None:
        self._streams: OrderedDict[Stream, StreamState] = OrderedDict()
        self._floor = FLOOR
        self._behind = BEHIND
        self._doubtful = 0
        self._full_at = -inf
        self._unproven: list[int] = []
        self._certain: list[int] = []
        self._figures: Mapping[str, int] = {}
        self._figures_due = -inf

    @property
    def is_doubtful(self) -> bool:
        """Whether too many events are in doubt."""
        return self._doubtful > MAX_DOUBTS

    def state(self, stream: Stream) -> StreamState:
        """Return what is known of *stream*."""
        state = self._streams.get(stream)
        if state is None:
            state = self._streams[stream] = StreamState(flow=Flow(self._full_at))
            while len(self._streams) > MAX_STREAMS:
                self._certain += self._settle(self._streams.popitem(last=False)[1])
        else:
            self._streams.move_to_end(stream)
        return state

    def figures(self, now: float) -> Mapping[str, int]:
        """Return how many streams are ``known`` and ``proven``, and events ``unproven``, a few seconds ago or now."""
        if now >= self._figures_due:
            proven = sum(now - state.proven_at < KNOWN_FOR for state in self._streams.values())
            self._figures = {"known": len(self._streams), "proven": proven, "unproven": self._doubtful}
            self._figures_due = now + FIGURES_EVERY
        return self._figures

    def exists(self, stream: Stream, now: float) -> bool:
        """Whether Loki is known to have *stream*."""
        state = self._streams.get(stream)
        return state is not None and now - state.proven_at < KNOWN_FOR

    def is_in_order(self, stream: Stream, group: Sequence[Item]) -> bool:
        """Whether no line of *group* is so far behind its stream that a Loki might refuse it.

        Nor may a line be so far ahead that events in doubt would be late if they were sent again.
        """
        state = self.state(stream)
        if state.newest - _oldest(group) > self._behind:
            return False
        return not state.doubts or _newest(group) - state.oldest <= MOST_APART

    def levels(self, stream: Stream, size: int, now: float) -> Levels:
        """Return the levels of *stream* with *size* more bytes."""
        return self.state(stream).flow.with_more(size, now)

    def takes(self, levels: Levels, proven: Levels | None = None) -> bool:
        """Whether Loki can't refuse a stream with these *levels* for its rate; the same push proves *proven* levels."""
        return levels[FLOOR_RATE] <= self._floor or (proven is not None and asks_for_less(levels, proven))

    def prove(self, stream: Stream, group: Sequence[Item], now: float) -> None:
        """Note that Loki holds all of *group*, and so also the events that rode along to this stream before."""
        state = self.state(stream)
        state.flow.add(size_of(group), now)
        self._note(state, group)
        self._certain += self._settle(state)
        state.proven_at, state.refused_at = now, -inf

    def ride(self, stream: Stream, group: Sequence[Item], now: float) -> None:
        """Note that *group* went to *stream* unproven."""
        state = self.state(stream)
        state.flow.add(size_of(group), now)
        self._note(state, group)
        state.oldest = min(state.oldest, _oldest(group)) if state.doubts else _oldest(group)
        offsets = [item.offset for item in group]
        state.doubts.append((now, offsets))
        self._doubtful += len(offsets)
        self._unproven += offsets

    def prove_again(self, stream: Stream, now: float) -> None:
        """Note that *stream* took a repeat of its last line."""
        state = self.state(stream)
        self._certain += self._settle(state)
        state.proven_at, state.refused_at = now, -inf

    def lost(self, stream: Stream, now: float) -> list[int]:
        """Note that Loki has no room for *stream*, which it may have had before; return its events in doubt."""
        state = self.state(stream)
        if state.proven_at > -inf:
            self.forget()
        state.proven_at, state.refused_at = -inf, now
        return self._doubted([state])

    def refused_for_rate(self, stream: Stream, size: int, now: float) -> list[int]:
        """Note that *size* bytes were too much for *stream*; return the events in doubt then, of any stream."""
        level = self.levels(stream, size, now)[FLOOR_RATE]
        if level > 2 * self._floor:
            return []
        self._floor = level / 4
        return self._doubted(self._streams.values())

    def refused_as_late(self, stream: Stream, refused: Sequence[Item]) -> list[int]:
        """Note that these lines were too far behind *stream*; return its events that are in doubt then.

        There are none where the lines were so far behind that they would not have ridden along.
        """
        state = self.state(stream)
        if refused:
            behind = max(state.newest - _newest(refused), 0)
            if behind > 2 * self._behind:
                return []
            self._behind = behind // 2
        return self._doubted([state])

    def assume_full(self, now: float) -> None:
        """Note that another process may have pushed to any stream until *now*, as much as Loki took."""
        self._full_at = now

    def forget(self) -> None:
        """Note that Loki may have been restarted: every stream has to be proven anew."""
        for state in self._streams.values():
            state.proven_at = -inf

    def refused_alone(self, stream: Stream) -> list[int]:
        """Note that the line to prove *stream* with is not valid any more; return the stream's events in doubt."""
        return self._doubted([self.state(stream)])

    def overdue(self, now: float, after: float | None = None) -> list[LokiEntry]:
        """Return the newest line of each stream whose doubts are older than *after* seconds."""
        after = DOUBTED_FOR if after is None else after
        due = (s for s in self._streams.values() if s.doubts and s.last and now - s.doubts[0][0] > after)
        return [state.last for state in due if state.last is not None]

    def unproven(self) -> list[int]:
        """Return the offsets of events that rode along and are neither proven nor doubted."""
        return [offset for state in self._streams.values() for _, some in state.doubts for offset in some]

    def take_news(self) -> tuple[list[int], list[int]]:
        """Return the offsets of events that rode along since the last call, and of events that were proven since."""
        news = self._unproven, self._certain
        self._unproven, self._certain = [], []
        return news

    def _doubted(self, states: Iterable[StreamState]) -> list[int]:
        return [offset for state in states for offset in self._settle(state)]

    def _settle(self, state: StreamState) -> list[int]:
        """End the doubts of a stream; return the offsets of the events that were in doubt."""
        offsets = [offset for _, some in state.doubts for offset in some]
        self._doubtful -= len(offsets)
        state.doubts.clear()
        state.last = None
        return offsets

    @staticmethod
    def _note(state: StreamState, group: Sequence[Item]) -> None:
        for item in group:
            if item.entry is not None and item.entry.timestamp >= state.newest:
                state.newest, state.last = item.entry.timestamp, item.entry


def grouped(items: Iterable[Item]) -> dict[Stream, list[Item]]:
    """Return *items* by stream; streams come in the order of their first items."""
    groups: dict[Stream, list[Item]] = {}
    for item in items:
        if item.entry is not None:
            groups.setdefault(item.entry.stream, []).append(item)
    return groups


def repeatable(groups: dict[Stream, list[Item]]) -> tuple[dict[Stream, list[Item]], list[Item]]:
    """Return each group's oldest items that may share a push, and all younger items.

    A push whose answer is lost is repeated, although Loki may hold all of it. Loki checks whether a line is too far
    behind the newest one before it checks whether it has the line: a line that is refused would go to a late stream,
    and be held twice.
    """
    younger: list[Item] = []
    for stream, group in groups.items():
        last = _oldest(group) + MOST_APART
        rest = [item for item in group if item.entry is not None and item.entry.timestamp > last]
        if rest:
            groups[stream] = [item for item in group if item.entry is not None and item.entry.timestamp <= last]
            younger += rest
    return groups, younger


def size_of(group: Iterable[Item]) -> int:
    """Return the bytes of *group*."""
    return sum(item.entry.size for item in group if item.entry is not None)


def _newest(group: Sequence[Item]) -> int:
    found: int = max(item.entry.timestamp for item in group if item.entry is not None)
    return found


def _oldest(group: Sequence[Item]) -> int:
    found: int = min(item.entry.timestamp for item in group if item.entry is not None)
    return found
