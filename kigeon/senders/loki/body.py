"""A push's body: entries grouped by stream, as Loki's JSON, gzipped. The same entries give the same bytes."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from operator import attrgetter

import orjson

from kigeon.senders.loki.entry import LokiEntry


def body_of(entries: Sequence[LokiEntry]) -> bytes:
    """Return the gzipped body; streams come in the order of their first entry, the entries of each by their time.

    Loki judges them in the order of the body: none is then late because of another of the same push.
    """
    streams: dict[tuple[tuple[str, str], ...], list[LokiEntry]] = {}
    for entry in entries:
        streams.setdefault(entry.stream, []).append(entry)
    body = {"streams": [{"stream": dict(stream), "values": _values(found)} for stream, found in streams.items()]}
    return gzip.compress(orjson.dumps(body), compresslevel=1, mtime=0)


def _values(entries: list[LokiEntry]) -> list[tuple[object, ...]]:
    values = (
        (str(entry.timestamp), entry.line, entry.metadata) for entry in sorted(entries, key=attrgetter("timestamp"))
    )
    return [value if value[2] else value[:2] for value in values]
