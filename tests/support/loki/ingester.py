"""Loki's ingester: it walks through the streams of a push, and its answer is that of the last one alone.

Source of checks and texts: ``instance.Push`` and ``stream.Push`` of pkg/ingester of grafana/loki.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.loki.limits import Bucket, Limits
from tests.support.loki.lines import SECOND, Line, Refused, Stream, written_day, written_size, written_time

MOST_NAMED = 10
"""Lines that an answer names (``max_returned_stream_errors``)."""


@dataclass(slots=True)
class Known:
    """What an ingester knows of a stream of which it holds something."""

    newest: int | None = None
    last: Line | None = None
    bucket: Bucket = field(default_factory=Bucket)


class Ingester:
    """Knows the streams of each tenant until it forgets them."""

    def __init__(self) -> None:
        self.streams: defaultdict[str, dict[str, Known]] = defaultdict(dict)
        """By tenant, then by their labels as Loki writes them."""

    def push(
        self, tenant: str, streams: list[Stream], limits: Limits, hold: Callable[[Line], None], now: float
    ) -> Refused | None:
        """Hold what is taken of *streams*, one after the other; return why the last was refused, None if it was not."""
        refused = None
        for stream in streams:
            known = self.streams[tenant].get(stream.name)
            if known is None and len(self.streams[tenant]) >= limits.max_streams:
                refused = Refused(429, _over_limit(tenant, stream.name))
                continue
            if known is None:
                known = self.streams[tenant][stream.name] = Known()
            refused = _push(known, tenant, stream, limits, hold, now)
        return refused


def _push(
    known: Known, tenant: str, stream: Stream, limits: Limits, hold: Callable[[Line], None], now: float
) -> Refused | None:
    taken, failed, repeats = _judged(known, stream, limits, now)
    for line in taken:
        hold(line)
        known.last = line
        known.newest = _later(known.newest, line.timestamp)
    for line in repeats:
        hold(line)
    if not failed:
        return None
    named = "".join(
        f"entry with timestamp {written_time(line.timestamp)} ignored, reason: '{reason}',\n"
        for line, reason in failed[:MOST_NAMED]
    )
    total = f"user '{tenant}', total ignored: {len(failed)} out of {len(stream.lines)} for stream: {stream.name}"
    # The last of them says what it was.
    return Refused(400 if failed[-1][1].startswith("entry too far behind") else 429, named + total)


def _judged(
    known: Known, stream: Stream, limits: Limits, now: float
) -> tuple[list[Line], list[tuple[Line, str]], list[Line]]:
    """Return which lines are taken, which are not and why, and which repeat the line before them: nobody asks those."""
    newest, last = known.newest, known.last
    taken: list[Line] = []
    failed: list[tuple[Line, str]] = []
    repeats: list[Line] = []

    def is_allowed(size: int) -> bool:
        return known.bucket.take(size, limits.stream_rate, limits.stream_burst, now)

    for line in stream.lines:
        oldest = line.timestamp if newest is None else newest - limits.max_behind * SECOND
        if line == last:
            repeats.append(line)
        elif not limits.shard_streams and not is_allowed(line.size):
            failed.append((line, _over_rate(line, stream.name, limits)))
        elif line.timestamp < oldest:
            failed.append((line, _too_far_behind(line.timestamp, int(oldest))))
        else:
            last, newest = line, _later(newest, line.timestamp)
            taken.append(line)
    if limits.shard_streams and not is_allowed(sum(line.size for line in taken)):
        # The whole stream; nothing is said of those that are too late.
        return [], [(line, _over_rate(line, stream.name, limits)) for line in taken], []
    return taken, failed, repeats


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def _over_limit(tenant: str, stream: str) -> str:
    return (
        f"maximum active stream limit exceeded when trying to create stream {stream}, reduce the number of active"
        " streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can"
        f" be increased, user: '{tenant}'"
    )


def _over_rate(line: Line, stream: str, limits: Limits) -> str:
    return (
        f"Per stream rate limit exceeded (limit: {written_size(int(limits.stream_rate))}/sec) while attempting to"
        f" ingest for stream '{stream}' totaling {written_size(line.size)}, consider splitting a stream via additional"
        " labels or contact your Loki administrator to see if the limit can be increased"
    )


def _too_far_behind(timestamp: int, oldest: int) -> str:
    return (
        f"entry too far behind, entry timestamp is: {written_day(timestamp)}, oldest acceptable timestamp is:"
        f" {written_day(oldest)}"
    )
