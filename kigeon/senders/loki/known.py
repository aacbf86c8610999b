"""What is known of the streams of one destination: which exist in Loki, what they took, what of it was never proven.

An answer speaks for the last stream of a push alone. A stream that was the last one is *proven*: it exists, and what
was pushed to it is held. Other streams of a push *ride along*: only where they can't be refused by what is known here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from kigeon.senders.delivery.lane import Item
from kigeon.senders.loki.continuity import Heard
from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.flow import FLOOR, FLOOR_RATE, Flow, Levels, asks_for_less
from kigeon.senders.loki.streams import Stream

KNOWN_FOR = 120.0
"""Seconds for which a proof says that a stream exists: some Lokis flush a stream after three minutes without a line."""

DOUBTED_FOR = 60.0
"""Seconds after which what rode along is proven by a push of its own, where nothing else has proven it."""

BEHIND = 60 * 10**9
"""Nanoseconds behind its stream's newest line that a line may ride along: 1/60 of what Loki takes by default."""

MOST_APART = 15 * 60 * 10**9
"""Nanoseconds between the oldest and the newest line of a stream in a push: a quarter of what Loki takes by default."""

MAX_STREAMS = 20_000
FIGURES_EVERY = 5.0
"""Seconds between two counts of what is proven: there may be many streams."""

MAX_DOUBTS = 50_000
"""Events in doubt of one destination from which on proofs are asked for more eagerly."""


@dataclass(slots=True)
class StreamState:
    """``proven_at``, and when it was ``refused_at`` since for want of room, are of the monotonic clock (-inf: not).

    ``newest`` and ``last`` are of what was pushed and not refused. ``asked`` is when the proof was asked for, in ticks
    of :mod:`kigeon.senders.loki.continuity` (0: not known).
    """

    proven_at: float = -inf
    asked: int = 0
    refused_at: float = -inf
    newest: int = 0
    last: LokiEntry | None = None
    flow: Flow = field(default_factory=Flow)
    doubts: deque[tuple[float, Sequence[int]]] = field(default_factory=deque)
    """When what rode along, and the offsets of its events."""
    oldest: int = 0
    """The time of the oldest line that is in doubt."""


class KnownStreams:
    """One destination's streams. Bounded: what is forgotten is proven anew."""

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
        """Whether more is in doubt than should be."""
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
        """Return how many streams are ``known`` and ``proven``, how many events ``unproven``, lately."""
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
        """Whether no line of *group* is further behind its stream than any Loki takes.

        Nor is one so far ahead that what is in doubt would be late, were it sent again.
        """
        state = self.state(stream)
        if state.newest - _oldest(group) > self._behind:
            return False
        return not state.doubts or _newest(group) - state.oldest <= MOST_APART

    def levels(self, stream: Stream, size: int, now: float) -> Levels:
        """Return what *stream* asks of Loki with *size* bytes more."""
        return self.state(stream).flow.with_more(size, now)

    def takes(self, levels: Levels, proven: Levels | None = None) -> bool:
        """Whether a stream with these *levels* can't be refused for its rate; *proven* is what the same push proves."""
        return levels[FLOOR_RATE] <= self._floor or (proven is not None and asks_for_less(levels, proven))

    def has_existed(self, stream: Stream, heard: Heard | None) -> bool:
        """Whether the process that was heard, as far as that is told, is the one of which *stream* was proven.

        Another one, started meanwhile, need not have the stream; nor need it have had it when a later proof was taken.
        """
        return heard is None or heard.since <= self.state(stream).asked < heard.asked

    def prove(self, stream: Stream, group: Sequence[Item], now: float, heard: Heard | None = None) -> None:
        """Note that Loki holds all of *group*, and with it has taken what rode along to its stream before."""
        state = self.state(stream)
        state.flow.add(size_of(group), now)
        self._note(state, group)
        self._taken(state, now, heard)

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

    def prove_again(self, stream: Stream, now: float, heard: Heard | None = None) -> None:
        """Note that *stream* took a repeat of its last line."""
        self._taken(self.state(stream), now, heard)

    def unprove(self, stream: Stream) -> None:
        """Note that *stream* has to be proven anew."""
        self.state(stream).proven_at = -inf

    def lost(self, stream: Stream, now: float) -> list[int]:
        """Note that there is no room for *stream*, against what may have been known; return what is in doubt of it."""
        state = self.state(stream)
        if state.proven_at > -inf:
            self.forget()
        state.proven_at, state.refused_at = -inf, now
        return self._doubted([state])

    def refused_for_rate(self, stream: Stream, size: int, now: float) -> list[int]:
        """Note that *size* bytes were too much for *stream*; return what is in doubt then, of whatever stream."""
        level = self.levels(stream, size, now)[FLOOR_RATE]
        if level > 2 * self._floor:
            return []
        self._floor = level / 4
        return self._doubted(self._streams.values())

    def refused_as_late(self, stream: Stream, refused: Sequence[Item]) -> list[int]:
        """Note that these lines were too far behind *stream*; return what is in doubt of it then.

        That is nothing where they were as far behind as not to ride along.
        """
        state = self.state(stream)
        if refused:
            behind = max(state.newest - _newest(refused), 0)
            if behind > 2 * self._behind:
                return []
            self._behind = behind // 2
        return self._doubted([state])

    def assume_full(self, now: float) -> None:
        """Note that up to now somebody else may have pushed to any stream, as much as Loki took."""
        self._full_at = now

    def forget(self) -> None:
        """Note that Loki may have been restarted: every stream has to be proven anew."""
        for state in self._streams.values():
            state.proven_at = -inf

    def refused_alone(self, stream: Stream) -> list[int]:
        """Note that the line that was to prove *stream* is not valid any more; return what is in doubt of it."""
        return self._doubted([self.state(stream)])

    def overdue(self, now: float, after: float | None = None) -> list[LokiEntry]:
        """Return the newest line of each stream whose doubts are older than *after* seconds."""
        after = DOUBTED_FOR if after is None else after
        due = (s for s in self._streams.values() if s.doubts and s.last and now - s.doubts[0][0] > after)
        return [state.last for state in due if state.last is not None]

    def unproven(self) -> list[int]:
        """Return the offsets of all that rode along, and is neither proven nor doubted."""
        return [offset for state in self._streams.values() for _, some in state.doubts for offset in some]

    def take_news(self) -> tuple[list[int], list[int]]:
        """Return the offsets of what rode along since this was last called, and of what is proven since."""
        news = self._unproven, self._certain
        self._unproven, self._certain = [], []
        return news

    def _taken(self, state: StreamState, now: float, heard: Heard | None) -> None:
        self._certain += self._settle(state)
        state.proven_at, state.refused_at, state.asked = now, -inf, heard.asked if heard else 0

    def _doubted(self, states: Iterable[StreamState]) -> list[int]:
        return [offset for state in states for offset in self._settle(state)]

    def _settle(self, state: StreamState) -> list[int]:
        """End the doubts of a stream; return the offsets of what was in doubt."""
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
    """Return *items* by stream, in the order of the streams' first."""
    groups: dict[Stream, list[Item]] = {}
    for item in items:
        if item.entry is not None:
            groups.setdefault(item.entry.stream, []).append(item)
    return groups


def repeatable(groups: dict[Stream, list[Item]]) -> tuple[dict[Stream, list[Item]], list[Item]]:
    """Return of each group the oldest that may share a push, and all that is younger.

    Of a push whose answer is lost Loki may hold everything. It is repeated then, and Loki asks whether a line is too
    far behind the newest before it asks whether it has the line: what it refuses would go to a stream of late lines,
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
