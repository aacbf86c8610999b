"""A server for few and mostly short-lived connections in one thread, bounded in number, in bytes and in time.

When there are too many connections, the server closes the oldest, so that a thousand silent ones keep no probe out.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import time

from kigeon.http.connection import Connection, News, Respond, no_news

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 128
MAX_STREAMS = 32
"""Connections whose answer may go on; the server closes the oldest when there is one more."""

ACCEPT_AT_ONCE = 32

MAX_DROPPED = 1024 * 1024
CHUNK = 64 * 1024

LISTEN_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each further attempt in a row to listen."""

SAY_AGAIN = 600.0


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an empty host means every address."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at *host*, or at every address without one, also of IPv6 where that is on."""
    if host or not socket.has_dualstack_ipv6():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=MAX_CONNECTIONS, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        return socket.create_server(("", port), backlog=MAX_CONNECTIONS)


class Server:
    """Listens as soon as the address is free. Its owner has the loop, and calls :meth:`serve` for each event."""

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
        """Listen, and close connections, where that is due; return the seconds until the next look, None for never."""
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
        """The connections whose answer goes on, the oldest first."""
        return [connection for connection in self._connections.values() if connection.seen is not None]

    def tell(self) -> None:
        """Tell the news on each connection that goes on; a client that reads slowly is told later."""
        now = time.monotonic()
        for connection in self.streams:
            try:
                connection.tell(self._news, now)
                self._write(connection)
            except OSError:
                self._close(connection)

    def serve(self, sock: socket.socket, events: int) -> None:
        """Handle the selector's *events* of *sock*."""
        if sock is self._listener:
            self._accept()
        elif (connection := self._connections.get(sock)) is not None:
            try:
                self._handle(connection, events)
            except OSError:
                self._close(connection)  # The client is gone, or has reset the connection.

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
            cure = "free the address, or set another with http.listen; kigeon tries again"
            log.error(
                "metrics, health and status page can't be served",
                extra={"address": self._listen, "error": error.strerror or str(error), "cure": cure},
            )

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                assert self._listener is not None, "a connection came without a listener"  # noqa: S101 - for the types
                sock, _ = self._listener.accept()
            except OSError:
                return  # The client has gone meanwhile.
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
