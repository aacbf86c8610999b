"""Writes the archive from which nats-server restores a stream: each message with its sequence and its time. Pure.

It is what ``nats stream backup`` gets from a nats-server 2.15: the package ``server/archive`` of nats-server, and
``server/stream_backup.go``, which reads it. An archive is :data:`MAGIC` and then entries, compressed as a framed Snappy
stream. An entry is the length of its name, its time in nanoseconds, its sequence, the lengths of its headers and of its
payload, all as varints; then its name, headers and payload. The first entry holds the stream's state, each other one
a message by its subject, in the order of their sequences; the last is empty. A sequence that is left out is a message
that was deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cramjam
import orjson

MAGIC = b"NATSARC1"
STATE = b"state.json"

CHUNK = 128 * 1024
"""Bytes that are sent at once, the last ones apart."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream holds it; ``time`` is in nanoseconds since the epoch, ``headers`` as they are stored."""

    sequence: int
    subject: str
    time: int
    headers: bytes
    payload: bytes

    @property
    def size(self) -> int:
        """Its bytes, but for what the store adds."""
        return len(self.subject) + len(self.headers) + len(self.payload)


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """What a restored stream is to have: its first and its last sequence, and room for so many bytes.

    An empty stream has a first sequence that is one more than its last.
    """

    first: int
    last: int
    messages: int
    bytes: int


class ArchiveWriter:
    """Makes an archive, piece by piece: :meth:`chunks` returns what is to be sent."""

    def __init__(self, state: ArchiveState) -> None:
        self._compressor = cramjam.snappy.Compressor()
        self._ready = bytearray()
        told = {
            "messages": state.messages,
            "bytes": state.bytes,
            "first_seq": state.first,
            "first_ts": "1970-01-01T00:00:00Z",
            "last_seq": state.last,
            "last_ts": "1970-01-01T00:00:00Z",
            "consumer_count": 0,
        }
        self._compressor.compress(MAGIC + _entry(STATE, 0, 0, b"", orjson.dumps(told)))

    def add(self, message: StoredMessage) -> None:
        """Add a message; its sequence is higher than those before."""
        self._compressor.compress(
            _entry(message.subject.encode(), message.time, message.sequence, message.headers, message.payload)
        )
        self._ready += bytes(self._compressor.flush())

    def end(self) -> None:
        """Add what says that nothing is missing."""
        self._compressor.compress(_entry(b"", 0, 0, b"", b""))
        self._ready += bytes(self._compressor.finish())

    def chunks(self, all_of_it: bool = False) -> list[bytes]:
        """Return what is ready, in full chunks, or *all of it*."""
        found = []
        while len(self._ready) >= CHUNK or (all_of_it and self._ready):
            found.append(bytes(self._ready[:CHUNK]))
            del self._ready[:CHUNK]
        return found


def _entry(name: bytes, time: int, sequence: int, headers: bytes, payload: bytes) -> bytes:
    numbers = _varint(len(name)) + _signed(time) + _varint(sequence) + _varint(len(headers)) + _varint(len(payload))
    return b"".join((numbers, name, headers, payload))


def _varint(value: int) -> bytes:
    """Return a number as Go's ``binary.PutUvarint`` writes it."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _signed(value: int) -> bytes:
    """Return a number as Go's ``binary.PutVarint`` writes it."""
    return _varint(value << 1 if value >= 0 else (~value << 1) | 1)
