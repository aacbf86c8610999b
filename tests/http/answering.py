"""Answers that a server gives, and clients that count what they are told."""

from __future__ import annotations

import socket
from http import HTTPStatus

from kigeon.http.message import Request, Response

LARGE = b"x" * 16 * 2**20


WELL = b"HTTP/1.1 200 OK"


def respond(request: Request) -> Response:
    return Response(HTTPStatus.OK, LARGE if request.path == "/large" else b"ok\n")


class Counting:
    """Tells a line for each version that was not seen."""

    def __init__(self) -> None:
        self.version = 0
        self.size = 10
        self.told: list[int] = []

    def respond(self, request: Request) -> Response:
        if request.path != "/stream":
            return Response(HTTPStatus.OK, b"ok\n")
        return Response(HTTPStatus.OK, b"begun\n", seen=self.version)

    def news(self, seen: int) -> tuple[bytes, int]:
        self.told.append(self.version)
        return b"".join(b"%*d\n" % (self.size, number) for number in range(seen + 1, self.version + 1)), self.version


def until(connection: socket.socket, end: bytes) -> bytes:
    """Return what comes up to *end*."""
    data = bytearray()
    while not data.endswith(end):
        more = connection.recv(65536)
        assert more, data[-200:]
        data += more
    return bytes(data)


STREAM = b"GET /stream HTTP/1.1\r\n\r\n"
