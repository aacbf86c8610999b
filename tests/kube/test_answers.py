"""Answers of an API server that say more, or less, than they should."""

import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest

from kigeon.errors import KubernetesError
from kigeon.kube.access import ClusterAccess
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.support.kubeconfig import write_kubeconfig


def test_a_retry_after_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        api.faults.fail_next(1, 503, retry_after=cast("Any", "\u00b2"))
        with pytest.raises(KubernetesError) as caught:
            access.read("/api/v1/events", {})
        assert (caught.value.status, caught.value.retry_after) == (503, None)


class Endless:
    """Answers a request with a beginning, and then as much as is taken."""

    def __init__(self, beginning: bytes, more: bytes = b"") -> None:
        self._beginning, self._more = beginning, more

    def listen(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.recv(65536)
            with suppress(OSError):
                connection.sendall(b"HTTP/1.1 " + self._beginning)
                while self._more:
                    connection.sendall(self._more)


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (Endless(b"500 no\r\n" + CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"), "500 xxx"),
        (Endless(b"200 ok\r\nContent-Length: 99999999999999999999\r\n\r\n{}"), "reading /api/v1/events failed"),
        (Endless(b"200 ok\r\nContent-Length: 10000000000000\r\n\r\n{}"), "reading /api/v1/events failed"),
        (Endless(b"200 ok\r\n" + CHUNKED + b"fffffffffffffffff\r\n{}"), "reading /api/v1/events failed"),
        (Endless(b"200 ok\r\n" + CHUNKED + b"-fffffffffffffffff\r\n{}"), "reading /api/v1/events failed"),
        (Endless(b"500 no\r\n" + CHUNKED + b"-fffffffffffffffff\r\n{}"), "events: 500"),
    ],
    ids=[
        "an error without an end",
        "a length that no integer holds",
        "a length that no memory holds",
        "such a chunk",
        "one below zero",
        "in an error",
    ],
)
def test_an_answer_that_says_it_is_enormous_is_an_error(tmp_path: Path, server: Endless, told: str) -> None:
    access = ClusterAccess(ClusterSource(write_kubeconfig(tmp_path / "config", server.listen(), {"token": "t"})))
    thread = Thread(target=server.serve)
    thread.start()
    with pytest.raises(KubernetesError, match=told):
        access.read("/api/v1/events", {})
    thread.join(20)
    assert not thread.is_alive()
