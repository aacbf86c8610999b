"""A push's body: entries grouped by stream, as Loki's JSON, gzipped. The same entries give the same bytes."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import orjson

from kigeon.senders.sink import Entry


def body_of(entries: Sequence[Entry]) -> bytes:
    """Return the gzipped body; streams come in the order of their first entry, entries in the order given."""
    streams: dict[tuple[tuple[str, str], ...], list[Any]] = {}
    for entry in entries:
        value = (str(entry.timestamp), entry.line, entry.metadata)
        streams.setdefault(entry.stream, []).append(value if entry.metadata else value[:2])
    body = {"streams": [{"stream": dict(stream), "values": values} for stream, values in streams.items()]}
    return gzip.compress(orjson.dumps(body), compresslevel=1, mtime=0)
