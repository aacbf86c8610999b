"""A server that greets is alive, whatever else it does; one that only is connected to is not."""

import os
import select
import signal
import socket
from itertools import count
from urllib.parse import urlsplit

from kigeon.queue.broker.liveness import HUNG_AFTER, LOOKS, REST, Liveness
from kigeon.queue.broker.process import NatsServer
from tests.support.processes import freeze, wait_until


def looks_until_hung(port: int, seconds: float) -> int:
    """Look every so many *seconds*; return how many looks it took."""
    now = 0.0
    liveness = Liveness(lambda: now)
    try:
        for look in count(1):
            if liveness.is_hung(port):
                return look
            now += seconds
    finally:
        liveness.forget()
    return 0


def test_a_server_that_greets_does_not_hang(server: NatsServer) -> None:
    now = 100.0
    liveness, port = Liveness(lambda: now), urlsplit(server.url).port or 0
    for _ in range(4):
        wait_until(lambda: greets(liveness, port), what="a greeting")
        now = liveness.due


def greets(liveness: Liveness, port: int) -> bool:
    """Look; return whether the server has greeted since the last connection."""
    assert not liveness.is_hung(port)
    return not liveness.descriptors


def test_after_a_greeting_the_server_is_left_alone_for_a_while(server: NatsServer) -> None:
    now = 100.0
    liveness, port = Liveness(lambda: now), urlsplit(server.url).port or 0
    assert liveness.due == 0
    wait_until(lambda: greets(liveness, port), what="a greeting")
    assert liveness.due == now + REST
    now += REST - 0.1
    assert greets(liveness, port)
    now += 0.1
    assert not greets(liveness, port)
    assert liveness.due == 0
    assert select.select(liveness.descriptors, [], [], 10.0)[0]
    assert greets(liveness, port)


def test_a_frozen_server_hangs_although_it_is_connected_to(server: NatsServer) -> None:
    port = urlsplit(server.url).port or 0
    freeze(server.pid)
    try:
        with socket.create_connection(("127.0.0.1", port), 5):
            assert looks_until_hung(port, 0.25) == HUNG_AFTER / 0.25 + 2
            assert looks_until_hung(port, 60.0) == LOOKS + 1
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert looks_until_hung(unused.getsockname()[1], 0.25) == HUNG_AFTER / 0.25 + 2
