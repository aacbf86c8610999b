"""A server of few connections, most of them short-lived, in one thread: bounded in number, in bytes and in time.

When there are too many connections the oldest has to go: a thousand that say nothing keep no probe out.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import time
from collections.abc import Callable

from kigeon.http.message import BadRequest, Request, Response, read_request, refusal, write_head

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 128
MAX_STREAMS = 32
"""Connections that may go on; the oldest goes when there is one more."""

ACCEPT_AT_ONCE = 32

WITHIN = 10.0
"""Seconds for a connection, from its beginning to the last byte of its answer."""

QUIET = 60.0
"""Seconds for which one that goes on may have nothing to be told."""

LINGER = 1.0
"""Seconds for which what still comes is read and dropped: a connection closed before it is reset, its answer lost."""

MAX_DROPPED = 1024 * 1024
CHUNK = 64 * 1024

LISTEN_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each attempt in a row to listen."""

SAY_AGAIN = 600.0

Respond = Callable[[Request], Response]
News = Callable[[int], tuple[bytes, int]]
"""Returns what is new for whoever has seen a version, and which version that is."""


def no_news(seen: int) -> tuple[bytes, int]:
    """Tell nothing."""
    return b"", seen


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; no host is every address, IPv6 where there is any."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; without a *host* at every address, of IPv6 too where the machine has it on."""
    if host or not socket.has_dualstack_ipv6():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=MAX_CONNECTIONS, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return socket.create_server(("", port), backlog=MAX_CONNECTIONS)


class Connection:
    """One connection: what was read, what is to be written, and until when it may stay."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.deadline = now + WITHIN
        self.dropped = 0
        self.is_over = False
        """Whether the other end says nothing more; it may still read."""
        self.seen: int | None = None
        """The version that was told last where the answer goes on."""
        self._read = b""
        self._is_answered = False
        # Bodies are shared with whoever else is answered: they are not copied.
        self._out: list[memoryview] = []

    @property
    def answers(self) -> bool:
        """Whether there is something to write."""
        return bool(self._out)

    def take(self, data: bytes, respond: Respond) -> None:
        """Take what was read; the answer begins as soon as the request is complete."""
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
        """Have what is new written, where all that was told before is."""
        if self.seen is not None and not self._out:
            data, self.seen = news(self.seen)
            self._out = [memoryview(data)] if data else []
            self.deadline = now + WITHIN

    def write(self, now: float) -> None:
        """Write what can be written; after the last byte, only a moment is left, unless the answer goes on."""
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


class Server:
    """Listens as soon as the address is free. Made for the loop of its owner: :meth:`serve` handles one event."""

    def __init__(self, listen: str, respond: Respond, selector: selectors.BaseSelector, news: News = no_news) -> None:
        self._listen = listen
        self._respond = respond
        self._news = news
        self._selector = selector
        self._listener: socket.socket | None = None
        self._attempts = 0
        self._due = 0.0
        self._said_at = -SAY_AGAIN
        self._connections: dict[socket.socket, Connection] = {}

    def look(self) -> float | None:
        """Do what is due; return after how many seconds something is due again, None for never."""
        now = time.monotonic()
        if self._listener is None and now >= self._due:
            self._open(now)
        for connection in [found for found in self._connections.values() if found.deadline <= now]:
            self._close(connection)
        due = [connection.deadline for connection in self._connections.values()]
        if self._listener is None:
            due.append(self._due)
        return max(min(due) - now, 0.0) if due else None

    @property
    def streams(self) -> list[Connection]:
        """The connections that go on, the oldest first."""
        return [connection for connection in self._connections.values() if connection.seen is not None]

    def tell(self) -> None:
        """Tell what is new to everybody who is to be told; whoever reads slowly is told later."""
        now = time.monotonic()
        for connection in self.streams:
            try:
                connection.tell(self._news, now)
                self._write(connection)
            except OSError:
                self._close(connection)

    def serve(self, sock: socket.socket, events: int) -> None:
        """Handle what the selector tells of *sock*."""
        if sock is self._listener:
            self._accept()
        elif (connection := self._connections.get(sock)) is not None:
            try:
                self._handle(connection, events)
            except OSError:
                self._close(connection)  # It is gone, or was reset.

    def _open(self, now: float) -> None:
        try:
            listener = listening(*split_address(self._listen))
        except OSError as error:
            self._due = now + LISTEN_AGAIN[min(self._attempts, len(LISTEN_AGAIN) - 1)]
            self._attempts += 1
            self._say(error, now)
            return
        listener.setblocking(False)
        self._listener, self._attempts = listener, 0
        self._selector.register(listener, selectors.EVENT_READ, self)
        address, port, *_ = listener.getsockname()
        shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        log.info("metrics, health and status page are served", extra={"address": shown})

    def _say(self, error: OSError, now: float) -> None:
        if now - self._said_at >= SAY_AGAIN:
            self._said_at = now
            cure = "free the address, or set another with http.listen; it is tried again"
            log.error(
                "metrics, health and status page can't be served",
                extra={"address": self._listen, "error": error.strerror or str(error), "cure": cure},
            )

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                assert self._listener is not None, "it told of a connection"  # noqa: S101 - for the types
                sock, _ = self._listener.accept()
            except OSError:
                return  # Nobody, or nobody any more.
            if len(self._connections) >= MAX_CONNECTIONS:
                self._close(next(iter(self._connections.values())))
            sock.setblocking(False)
            self._connections[sock] = Connection(sock, time.monotonic())
            self._selector.register(sock, selectors.EVENT_READ, self)

    def _handle(self, connection: Connection, events: int) -> None:
        if events & selectors.EVENT_READ:
            data = connection.sock.recv(CHUNK)
            connection.is_over = not data
            if (connection.is_over and not connection.answers) or connection.dropped > MAX_DROPPED:
                self._close(connection)
                return
            connection.take(data, self._respond)
            self._bound_streams(connection)
        self._write(connection)

    def _bound_streams(self, newest: Connection) -> None:
        others = [connection for connection in self.streams if connection is not newest]
        if newest.seen is not None and len(others) >= MAX_STREAMS:
            self._close(others[0])

    def _write(self, connection: Connection) -> None:
        if connection.answers:
            with contextlib.suppress(BlockingIOError):
                connection.write(time.monotonic())
        if connection.is_over and not connection.answers:
            self._close(connection)
            return
        reads = 0 if connection.is_over else selectors.EVENT_READ
        self._selector.modify(connection.sock, reads | (selectors.EVENT_WRITE if connection.answers else 0), self)

    def _close(self, connection: Connection) -> None:
        del self._connections[connection.sock]
        self._selector.unregister(connection.sock)
        connection.sock.close()
