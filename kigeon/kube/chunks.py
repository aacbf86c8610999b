"""Reads the body of a watch, all bytes that have come at once, in however many chunks they were sent.

urllib3 hands out one chunk at a time, and a busy API server sends a chunk for each event.
"""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import urllib3

AT_ONCE = 256 * 1024
"""Bytes that are read at once."""

HELD = 128 * 1024
"""Bytes that end a rest. The kernel makes the connection's buffer as large, so that the server is not held up."""

MOST_HEAD = 4096
"""Bytes of a chunk's head, which is a hexadecimal number and extensions that nobody sends."""

_HEAD = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


class ChunkDecoder:
    """Decodes a chunked body (RFC 9112, 7.1); bytes after the last chunk are not read."""

    def __init__(self) -> None:
        self._left = 0
        self._is_between = False
        self._begun = b""
        self.has_ended = False
        """Whether the last chunk has come."""

    def feed(self, data: bytes) -> bytes:
        """Return what *data* adds to the body; raises :class:`ValueError` where a chunk is due and none begins."""
        data, at = self._begun + data, 0
        found = []
        while not self.has_ended:
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            found.append(piece)
            head = None if self._left else self._head(data, at)
            if head is None:
                break
            self._left, at = head
            self._is_between = True
            self.has_ended = not self._left
        self._begun = data[at:]
        return b"".join(found)

    def _head(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return the size and the start of the chunk whose head is at *at*; None while the head is incomplete."""
        if self._is_between:
            if len(data) < at + 2:
                return None
            if data[at : at + 2] != b"\r\n":
                raise ValueError("a chunk is longer than its size")
            at += 2
        found = _HEAD.match(data, at)
        if found is not None:
            return int(found[1], 16), found.end()
        if b"\n" in data[at:] or len(data) - at > MOST_HEAD:
            raise ValueError("a chunk has no size")
        return None


class WatchBody:
    """Yields the body of a *response* in pieces; raises what reading raises, and :class:`TimeoutError` in silence."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._file: Any = getattr(getattr(response, "_fp", None), "fp", None)
        self._socket: socket.socket | None = getattr(getattr(self._file, "raw", None), "_sock", None)

    def __iter__(self) -> Iterator[bytes]:
        response = self._response
        if not getattr(response, "chunked", False) or "Content-Encoding" in response.headers or self._file is None:
            # kigeon asks for no compression, but some proxy may compress all the same.
            self._file = None
            yield from response.stream(AT_ONCE)
            return
        decoder = ChunkDecoder()
        while not decoder.has_ended:
            data = self._file.read1(AT_ONCE)
            if not data:
                raise urllib3.exceptions.ProtocolError("the connection was closed in the middle of the body")
            yield decoder.feed(data)

    @property
    def is_drained(self) -> bool:
        """Whether all bytes that have come were read; False where that can't be known."""
        if self._file is None or self._socket is None or getattr(self._socket, "pending", lambda: 0)():
            return False
        return not _is_readable(self._socket, 0.0)

    def rest(self, seconds: float) -> None:
        """Return after *seconds*, or as soon as :data:`HELD` bytes have come, or the connection has ended.

        The kernel counts the bytes: a burst ends the rest at once, a trickle wakes nobody. A system that can't count
        them lets nobody rest.
        """
        if self._socket is None or seconds <= 0:
            return
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, HELD)
            try:
                _is_readable(self._socket, seconds)
            finally:
                # Otherwise a read would wait for as many bytes.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _is_readable(sock: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
