"""Whatever is done to the server: it stays bounded, and whoever asks properly is answered."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from kigeon.http.server import MAX_CONNECTIONS, MAX_STREAMS, listening, split_address
from tests.http.answering import STREAM, WELL, Counting, respond, until
from tests.http.serving import Serving
from tests.support.processes import wait_until


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


def test_whoever_goes_away_leaves_nothing_behind() -> None:
    with Serving(respond) as serving:
        for _ in range(300):
            with serving.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        wait_until(lambda: serving.open_connections == 0, what="the end of all of them")
        assert serving.ask().startswith(WELL)


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


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80)), (":8080", ("", 8080)), ("a:1", ("a", 1))],
)
def test_an_address_has_a_host_and_a_port(listen: str, expected: tuple[str, int]) -> None:
    assert split_address(listen) == expected
