"""A body of chunks is what was put into it, wherever it is cut, and damage is noticed."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from kigeon.kube.chunks import HELD, ChunkDecoder, WatchBody
from tests.support.processes import wait_until

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 400)))
def test_wherever_it_is_cut_it_is_the_same_body(pieces: list[bytes], cuts: list[int]) -> None:
    data, decoder, found, since = chunked(*pieces), ChunkDecoder(), b"", 0
    for cut in sorted(cut for cut in cuts if cut < len(data)):
        found += decoder.feed(data[since:cut])
        since = cut
    found += decoder.feed(data[since:])
    assert found == b"".join(pieces)
    assert decoder.has_ended


def test_a_head_may_have_extensions_and_an_end_trailers() -> None:
    decoder = ChunkDecoder()
    assert decoder.feed(b"3;a=b\r\nabc\r\n2 \nde\r\n0\r\nTrailer: 1\r\n\r\n") == b"abcde"
    assert decoder.has_ended


@pytest.mark.parametrize(
    "damaged", [b"-1\r\nx", b"\r\n", b"1_0\r\n", b"no\r\n", b"3\r\nabcd\r\n", b"f" * 5000, b"f" * 20 + b"\r\n"]
)
def test_what_is_no_chunk_is_an_error(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="a chunk"):
        ChunkDecoder().feed(damaged)


@contextmanager
def answering(
    head: bytes, certificate: tuple[Path, Path] | None = None
) -> Iterator[tuple[urllib3.BaseHTTPResponse, socket.socket]]:
    """Have a server answer with *head*; give what the client got, and the server's socket for the body."""
    accepted: list[socket.socket] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(*map(str, certificate))

    def serve() -> None:
        connection, _ = listener.accept()
        if certificate:
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(65536)
        connection.sendall(head + b"\r\n")
        accepted.append(connection)

    trusted = str(certificate[0]) if certificate else None
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        urllib3.PoolManager(ca_certs=trusted, assert_hostname=False, retries=False) as pool,
    ):
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"{'https' if certificate else 'http'}://localhost:{listener.getsockname()[1]}/"
        response = pool.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=10, read=10))
        thread.join()
        with closing(accepted[0]):
            yield response, accepted[0]
        response.close()


def test_chunks_that_came_together_are_one_piece() -> None:
    with answering(CHUNKED) as (response, server):
        body = WatchBody(response)
        server.sendall(chunked(b"one\n", b"two\n", b"three\n"))
        wait_until(lambda: not body.is_drained)
        assert next(iter(body)) == b"one\ntwo\nthree\n"


def test_it_is_drained_when_nothing_more_has_come() -> None:
    with answering(CHUNKED) as (response, server):
        body = WatchBody(response)
        assert body.is_drained
        pieces = iter(body)
        server.sendall(b"1\r\na\r\n")
        assert (next(pieces), body.is_drained) == (b"a", True)
        server.sendall(b"1\r\nb\r\n")
        wait_until(lambda: not body.is_drained)
        assert (next(pieces), body.is_drained) == (b"b", True)
        server.sendall(b"0\r\n\r\n")
        assert [piece for piece in pieces if piece] == []


def test_a_connection_that_ends_in_the_middle_is_an_error() -> None:
    with answering(CHUNKED) as (response, server):
        server.sendall(b"5\r\nab")
        server.shutdown(socket.SHUT_WR)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            list(WatchBody(response))


def test_silence_is_a_timeout() -> None:
    with answering(CHUNKED) as (response, _):
        response.connection.sock.settimeout(0.05)  # type: ignore[union-attr]
        with pytest.raises(TimeoutError):
            list(WatchBody(response))


@pytest.mark.parametrize("head", [HEAD, HEAD + b"Content-Length: 4\r\n"])
def test_a_body_without_chunks_is_read_all_the_same(head: bytes) -> None:
    with answering(head) as (response, server):
        server.sendall(b"abcd")
        server.shutdown(socket.SHUT_WR)
        body = WatchBody(response)
        assert b"".join(body) == b"abcd"
        assert not body.is_drained


LONG = 300.0
"""Seconds that no test waits for."""


@pytest.fixture(params=["plain", "TLS"])
def watch(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path]
) -> Iterator[tuple[WatchBody, urllib3.BaseHTTPResponse, socket.socket]]:
    """A body, the response that it is of, and the server's socket."""
    with answering(CHUNKED, certificate if request.param == "TLS" else None) as (response, server):
        yield WatchBody(response), response, server


Watch = tuple[WatchBody, urllib3.BaseHTTPResponse, socket.socket]


def test_a_trickle_ends_no_rest_and_is_read_after_it(watch: Watch) -> None:
    body, _, server = watch
    server.sendall(b"1\r\na\r\n")
    wait_until(lambda: not body.is_drained)
    began = time.monotonic()
    body.rest(0.05)
    assert time.monotonic() - began >= 0.05
    assert next(iter(body)) == b"a"


def test_a_burst_ends_a_rest_at_once(watch: Watch) -> None:
    body, _, server = watch
    burst = chunked(*[b"x" * 1000] * (2 * HELD // 1000))
    sending = threading.Thread(target=server.sendall, args=(burst,))
    sending.start()
    body.rest(LONG)
    found = b"".join(body)
    sending.join()
    assert len(found) == 1000 * (2 * HELD // 1000)


def test_the_end_of_the_connection_ends_a_rest(watch: Watch) -> None:
    body, _, server = watch
    threading.Thread(target=server.shutdown, args=(socket.SHUT_RDWR,)).start()
    body.rest(LONG)
    with pytest.raises((urllib3.exceptions.ProtocolError, OSError)):
        list(body)


def test_who_cuts_the_connection_ends_a_rest(watch: Watch) -> None:
    body, response, _ = watch
    sock = response.connection.sock  # type: ignore[union-attr]
    threading.Thread(target=sock.shutdown, args=(socket.SHUT_RDWR,)).start()
    body.rest(LONG)


def test_nobody_rests_on_a_connection_that_is_closed() -> None:
    with answering(CHUNKED) as (response, _):
        body = WatchBody(response)
        response.close()
        body.rest(LONG)
