"""A server in a thread of the test's own, and a clock that stands."""

from __future__ import annotations

import selectors
import socket
from threading import Semaphore, Thread
from typing import Self

from kigeon.http.connection import News, Respond, no_news
from kigeon.http.message import Request, Response
from kigeon.http.server import Server
from kigeon.observability.snapshot import Moment
from tests.observability.snapshots import NOW


class Serving:
    """A context manager: within it *respond* is served on a free port of loopback."""

    def __init__(self, respond: Respond, news: News = no_news) -> None:
        self.requests: list[Request] = []
        self._respond = respond
        self._selector = selectors.DefaultSelector()
        self._stop, self._stopped = socket.socketpair()
        self._told = Semaphore(0)
        self._server = Server("127.0.0.1:0", self._answer, self._selector, news)
        self._server.look()
        self._thread = Thread(target=self._run, daemon=True)
        (listening,) = [key.fileobj for key in self._selector.get_map().values()]
        assert isinstance(listening, socket.socket)
        self.port: int = listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._selector.register(self._stopped, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def tell(self) -> None:
        """Have the server tell what is new to those who look; return when it has."""
        self._stop.send(b"!")
        assert self._told.acquire(timeout=20)

    @property
    def open_connections(self) -> int:
        """How many connections there are."""
        return len(self._selector.get_map()) - 2

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self, sent: bytes = b"GET / HTTP/1.1\r\n\r\n") -> bytes:
        """Return all that is answered to what was *sent*."""
        with self.connect() as connection:
            connection.sendall(sent)
            return read_all(connection)

    def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self._respond(request)

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select(self._server.look()):
                if key.fileobj is self._stopped:
                    if not self._stopped.recv(1):
                        return
                    self._server.tell()
                    self._told.release()
                    continue
                assert isinstance(key.fileobj, socket.socket)
                self._server.serve(key.fileobj, events)


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Moment:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now = Moment(self.now.day + seconds, self.now.steady + seconds)


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other end is closed, or reset."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        return data
    return data
