"""One connection, whatever its other end does."""

from __future__ import annotations

import socket

import pytest

from kigeon.http import connection as connections
from tests.http.answering import LARGE, STREAM, WELL, Counting, respond, until
from tests.http.serving import Serving, read_all
from tests.support.processes import wait_until


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


def test_whoever_asks_for_its_head_alone_is_not_told_more() -> None:
    counting = Counting()
    with Serving(counting.respond, counting.news) as serving:
        assert serving.ask(b"HEAD /stream HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")


def send_until_refused(connection: socket.socket, most: int) -> int:
    """Return how many bytes the other end let through until it hung up."""
    sent, chunk = 0, b"x" * 65536
    try:
        while sent < most:
            sent += connection.send(chunk)
    except (ConnectionResetError, BrokenPipeError):
        return sent
    return sent
