"""Makes a push's body: entries grouped by stream, as protobuf with snappy or as JSON with gzip.

The same entries give the same bytes, and both encodings carry the same content: Loki drops the repeat of a line that it
holds, in either encoding.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import orjson

from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.settings import JSON, PROTOBUF
from kigeon.senders.loki.streams import Stream

HEADERS: Mapping[str, Mapping[str, str]] = {
    # Loki expects snappy's block format with this type, and no header that names it.
    PROTOBUF: {"Content-Type": "application/x-protobuf"},
    JSON: {"Content-Type": "application/json", "Content-Encoding": "gzip"},
}
"""The headers of a request that describe its body, by encoding."""

Groups = Mapping[Stream, Sequence[LokiEntry]]

_SHORT = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
          "\v": "\\v"}  # fmt: skip


def body_of(entries: Sequence[LokiEntry], encoding: str = PROTOBUF) -> bytes:
    """Return the compressed body: streams in the order of their first entries, entries of a stream in order of time.

    Loki judges entries in the order of the body, so no entry is late because of another one in the same push.
    """
    streams: dict[Stream, list[LokiEntry]] = {}
    for entry in entries:
        streams.setdefault(entry.stream, []).append(entry)
    for found in streams.values():
        found.sort(key=attrgetter("timestamp"))
    return _ENCODERS[encoding](streams)


def labels_text(stream: Stream) -> str:
    """Return labels as Loki parses them: ``{app="web", type="Normal"}``, the values quoted as Go quotes text."""
    return "{" + ", ".join(f"{name}={_quoted(value)}" for name, value in stream) + "}"


def _as_json(streams: Groups) -> bytes:
    body = {"streams": [{"stream": dict(stream), "values": _values(found)} for stream, found in streams.items()]}
    return gzip.compress(orjson.dumps(body), compresslevel=1, mtime=0)


def _values(entries: Sequence[LokiEntry]) -> list[tuple[object, ...]]:
    values = ((str(entry.timestamp), entry.line, entry.metadata) for entry in entries)
    return [value if value[2] else value[:2] for value in values]


def _as_protobuf(streams: Groups) -> bytes:
    import cramjam

    from kigeon.senders.loki.push_messages import PushRequest

    request = PushRequest()
    for stream, found in streams.items():
        add = request.streams.add(labels=labels_text(stream)).entries.add
        for entry in found:
            added = add(line=entry.line)
            timestamp = added.timestamp
            timestamp.seconds, timestamp.nanos = divmod(entry.timestamp, 10**9)
            add_pair = added.structuredMetadata.add
            for name, value in entry.metadata.items():
                add_pair(name=name, value=value)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


_ENCODERS: Mapping[str, Callable[[Groups], bytes]] = {PROTOBUF: _as_protobuf, JSON: _as_json}


def _quoted(value: str) -> str:
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return '"' + "".join(_SHORT.get(sign) or _written(sign) for sign in value) + '"'


def _written(sign: str) -> str:
    if sign.isprintable():
        return sign
    code = ord(sign)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
