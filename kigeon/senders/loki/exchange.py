"""A request that was written to Loki without waiting, and whose answer is read when it is there.

A push by a thread takes three wakes: the thread's for its job and for the answer, and the loop's for what the thread
returns. Most pushes of an ordinary day are small and find a connection that is open and idle: such a request fits into
the socket's buffer, and a 204 comes in one piece. Then the loop does both, and is woken once.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

STORED = b"HTTP/1.1 204 "
END_OF_HEAD = b"\r\n\r\n"
MOST_PEEKED = 4096

ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError)
"""What a connection raises when it is lost, or its answer is none."""


class Exchange:
    """One request on *connection*, which is urllib3's, open and idle, and its answer.

    Loki has *patience* seconds to answer. *back* is called with the connection when it is idle again, with None when
    it was lost.
    """

    def __init__(self, connection: Any, back: Callable[[Any | None], None], patience: float) -> None:
        self._connection = connection
        self._back = back
        self._patience = patience
        self._is_late = False

    def send(self, target: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Write the request; return False where that can't be done at once: then it was not written, or not whole."""
        try:
            self._connection.timeout = 0.0
            self._connection.request("POST", target, body, headers, preload_content=False, decode_content=False)
        except ERRORS:
            self.abandon()
            return False
        return True

    async def arrival(self) -> None:
        """Return when an answer, or the end of the connection, has begun to come, or Loki took too long."""
        loop, descriptor = asyncio.get_running_loop(), self._connection.sock.fileno()
        arrived = loop.create_future()
        timer = loop.call_later(self._patience, _settle, arrived, False)
        loop.add_reader(descriptor, _settle, arrived, True)
        try:
            self._is_late = not await arrived
        except BaseException:
            self.abandon()
            raise
        finally:
            timer.cancel()
            loop.remove_reader(descriptor)

    @property
    def is_at_hand(self) -> bool:
        """Whether :meth:`read` will not wait: all is there, or nothing will come."""
        if self._is_late:
            return True
        try:
            seen = self._connection.sock.recv(MOST_PEEKED, socket.MSG_PEEK)
        except OSError:
            return True
        # A 204 has no body. What else Loki says may come in pieces.
        return not seen or (seen.startswith(STORED) and END_OF_HEAD in seen)

    def read(self, most: int) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status, body (at most *most* bytes of it) and headers; raises one of :data:`ERRORS`."""
        try:
            if self._is_late:
                raise TimeoutError(f"Loki did not answer in {self._patience:.0f} s")
            self._connection.timeout = self._patience
            response = self._connection.getresponse()
            body = response.read(most, decode_content=True)
            response.close()
        except BaseException:
            self.abandon()
            raise
        self._back(self._connection)
        return response.status, body, response.headers

    def abandon(self) -> None:
        """Close the connection: what was begun on it can't be ended."""
        self._connection.close()
        self._back(None)


def _settle(arrived: asyncio.Future[bool], is_there: bool) -> None:
    if not arrived.done():
        arrived.set_result(is_there)
