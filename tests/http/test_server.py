"""Whatever is done to the server: it stays bounded, and whoever asks properly is answered."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

import pytest

from kigeon.http import connection as connections
from kigeon.http.message import Request, Response
from kigeon.http.server import MAX_CONNECTIONS, MAX_STREAMS, listening, split_address
from tests.http.serving import Serving, read_all
from tests.support.processes import wait_until

LARGE = b"x" * 16 * 2**20
WELL = b"HTTP/1.1 200 OK"


def respond(request: Request) -> Response:
    return Response(HTTPStatus.OK, LARGE if request.path == "/large" else b"ok\n")


def test_a_request_in_pieces_is_answered() -> None:
    with Serving(respond) as serving, serving.connect() as connection:
        for piece in (b"GET /some", b"where HTTP/1.1\r\nHo", b"st: a\r\n\r", b"\n"):
            connection.sendall(piece)
        assert read_all(connection).startswith(WELL)
        assert [request.path for request in serving.requests] == ["/somewhere"]


def test_an_answer_arrives_whole_however_large() -> None:
    with Serving(respond) as serving:
        assert serving.ask(b"GET /large HTTP/1.1\r\n\r\n").endswith(LARGE)


def test_whoever_says_that_it_is_done_still_gets_its_answer() -> None:
    with Serving(respond) as serving, serving.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(LARGE)
        wait_until(lambda: serving.open_connections == 0, what="its end")


def test_without_a_host_every_address_is_listened_at() -> None:
    with listening("", 0) as sock, socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=5):
        assert sock.getsockname()[0] in ("::", "0.0.0.0")


def test_where_ipv6_is_off_it_is_every_address_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without_ipv6(address: tuple[str, int], *, family: int = socket.AF_INET, **more: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family, **more)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    with listening("", 0) as sock:
        assert sock.getsockname()[0] == "0.0.0.0"


def test_a_thousand_connections_that_say_nothing_keep_nobody_out() -> None:
    with Serving(respond) as serving, ExitStack() as stack:
        for _ in range(900):
            stack.enter_context(serving.connect())
        assert serving.ask().startswith(WELL)
        assert serving.open_connections <= MAX_CONNECTIONS


def test_whoever_reads_slowly_holds_up_nobody_and_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WITHIN", 1.0)
    with Serving(respond) as serving, serving.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert slow.recv(10)
        assert serving.ask().startswith(WELL)
        # It has read ten bytes of sixteen million.
        wait_until(lambda: serving.open_connections == 0, what="the end of the slow one")


def test_a_request_of_100_mb_is_refused_before_it_has_come() -> None:
    with Serving(respond) as serving, serving.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n")
        sent = send_until_refused(connection, 100 * 2**20)
        assert sent < 32 * 2**20
        assert serving.ask().startswith(WELL)
        assert not [request for request in serving.requests if request.method == "POST"]


def test_whoever_sends_a_body_is_told_that_it_is_too_large() -> None:
    with Serving(respond) as serving:
        head = b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n"
        assert serving.ask(head + b"x" * 500_000).startswith(b"HTTP/1.1 413 ")


NO_REQUEST = [b"\x16\x03\x01\x02\x00\x01", b"\x00" * 50, b"SSH-2.0-OpenSSH_9.2\r\n", b"GET /" + b"a" * 9000]


@pytest.mark.parametrize("sent", NO_REQUEST, ids=range(len(NO_REQUEST)))
def test_bytes_that_are_no_request_are_answered_and_dropped(sent: bytes) -> None:
    with Serving(respond) as serving:
        assert serving.ask(sent)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")
        assert serving.requests == []


def test_whoever_never_ends_a_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WITHIN", 0.2)
    with Serving(respond) as serving, serving.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert read_all(connection) == b""


def test_whoever_goes_away_leaves_nothing_behind() -> None:
    with Serving(respond) as serving:
        for _ in range(300):
            with serving.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        wait_until(lambda: serving.open_connections == 0, what="the end of all of them")
        assert serving.ask().startswith(WELL)


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


def test_an_answer_that_goes_on_is_told_what_is_new() -> None:
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving, serving.connect() as looking:
        looking.sendall(STREAM)
        assert until(looking, b"begun\n").startswith(WELL)
        for version in (1, 2):
            counting.version = version
            serving.tell()
            assert until(looking, b"\n").strip() == b"%d" % version
        serving.tell()
        assert serving.ask().endswith(b"ok\n")
        wait_until(lambda: serving.open_connections == 1, what="one that goes on alone")


def test_whoever_looks_slowly_is_told_the_newest_when_it_has_read_and_costs_no_memory() -> None:
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving, serving.connect() as slow:
        slow.sendall(STREAM)
        until(slow, b"begun\n")
        counting.size, counting.version = 24 * 2**20, 1
        serving.tell()
        counting.size = 10
        for version in range(2, 50):
            counting.version = version
            serving.tell()
        assert serving.ask().startswith(WELL)
        assert counting.told == [1]
        assert until(slow, b"1\n").split() == [b"1"]
        # What was told meanwhile was told to nobody.
        serving.tell()
        assert until(slow, b"49\n").split() == [b"%d" % number for number in range(2, 50)]


def test_whoever_looks_and_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WITHIN", 0.3)
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving, serving.connect() as never:
        never.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        never.sendall(STREAM)
        until(never, b"begun\n")
        counting.size, counting.version = 8 * 2**20, 1
        serving.tell()
        wait_until(lambda: serving.open_connections == 0, what="its end")


def test_whoever_is_told_nothing_for_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "QUIET", 0.2)
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving, serving.connect() as looking:
        looking.sendall(STREAM)
        assert read_all(looking).endswith(b"begun\n")


def test_of_a_thousand_who_look_the_newest_are_told() -> None:
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving, ExitStack() as stack:
        for _ in range(900):
            newest = stack.enter_context(serving.connect())
            newest.sendall(STREAM)
            until(newest, b"begun\n")
        assert serving.open_connections == MAX_STREAMS
        counting.version = 1
        serving.tell()
        assert until(newest, b"1\n")
        assert serving.ask().startswith(WELL)


def test_whoever_asks_for_its_head_alone_is_not_told_more() -> None:
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving:
        assert serving.ask(b"HEAD /stream HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80)), (":8080", ("", 8080)), ("a:1", ("a", 1))],
)
def test_an_address_has_a_host_and_a_port(listen: str, expected: tuple[str, int]) -> None:
    assert split_address(listen) == expected


def send_until_refused(connection: socket.socket, most: int) -> int:
    """Return how many bytes the other end let through until it hung up."""
    sent, chunk = 0, b"x" * 65536
    try:
        while sent < most:
            sent += connection.send(chunk)
    except (ConnectionResetError, BrokenPipeError):
        return sent
    return sent
