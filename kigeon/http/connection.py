"""One connection with one request, whose answer ends the connection or goes on; bounded in bytes and in time."""

from __future__ import annotations

import socket
from collections.abc import Callable

from kigeon.http.message import BadRequest, Request, Response, read_request, refusal, write_head

WITHIN = 10.0
"""Seconds for a connection, from its beginning to the last byte of the answer."""

QUIET = 60.0
"""Seconds for which an answer that goes on may have no news."""

LINGER = 1.0
"""Seconds for which later bytes are read and dropped, since an early close may lose the answer by a reset."""

Respond = Callable[[Request], Response]
News = Callable[[int], tuple[bytes, int]]
"""Returns the news for a client that has seen a version, and the version that the news bring it to."""


def no_news(seen: int) -> tuple[bytes, int]:
    """Return no news."""
    return b"", seen


class Connection:
    """One connection, with the bytes that were read, the bytes to write, and the time until which it may stay."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.deadline = now + WITHIN
        self.dropped = 0
        self.is_over = False
        """Whether the client sends nothing more; it may still read."""
        self.seen: int | None = None
        """The version that the client was told last, where the answer goes on."""
        self._read = b""
        self._is_answered = False
        # Other connections may write the same body, so bodies are not copied.
        self._out: list[memoryview] = []

    @property
    def answers(self) -> bool:
        """Whether there are bytes to write."""
        return bool(self._out)

    def take(self, data: bytes, respond: Respond) -> None:
        """Take bytes that were read; the answer begins as soon as the request is complete."""
        if self._is_answered:
            self.dropped += len(data)
            return
        self._read += data
        try:
            request = read_request(self._read)
            if request is not None:
                self._answer(respond(request), request.method != "HEAD")
        except BadRequest as error:
            self._answer(refusal(error), True)

    def _answer(self, response: Response, with_body: bool) -> None:
        self._is_answered, self._read = True, b""
        parts = (write_head(response), response.body if with_body else b"")
        self._out = [memoryview(part) for part in parts if part]
        self.seen = response.seen if with_body else None

    def tell(self, news: News, now: float) -> None:
        """Have the news written, once all earlier bytes are."""
        if self.seen is not None and not self._out:
            data, self.seen = news(self.seen)
            self._out = [memoryview(data)] if data else []
            self.deadline = now + WITHIN

    def write(self, now: float) -> None:
        """Write as many bytes as possible; after the last one the connection ends soon, unless the answer goes on."""
        if not self._out:
            return
        sent = self.sock.sendmsg(self._out)
        while self._out and sent >= len(self._out[0]):
            sent -= len(self._out.pop(0))
        if self._out:
            self._out[0] = self._out[0][sent:]
        elif self.seen is not None:
            self.deadline = now + QUIET
        else:
            self.sock.shutdown(socket.SHUT_WR)
            self.deadline = now + LINGER
