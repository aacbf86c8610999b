"""The door of the operators."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from kigeon.config.settings import GlobalSettings, SenderSettings, Settings
from kigeon.operator.address import SOCKET, short_path
from kigeon.operator.admin_socket import MOST_ANSWERING, AdminSocket, RequestContext
from kigeon.processes import descendants
from kigeon.queue.broker.address import QueueAddress
from tests.support.filled_queue import (
    Filled,
)
from tests.support.operating import door_to
from tests.support.processes import title, wait_until


def test_so_many_are_answered_at_once_and_the_kernel_kills_them_first(filled: Filled) -> None:
    """Whoever comes while others are answered is told to come again; one that says nothing is let go of in the end."""
    path = filled.data / SOCKET
    with door_to(filled.server, filled.settings) as admin_socket, ExitStack() as silent:
        for _ in range(MOST_ANSWERING):
            connection = silent.enter_context(socket.socket(socket.AF_UNIX))
            with short_path(path) as short:
                connection.connect(short)
        wait_until(lambda: len(scores()) == MOST_ANSWERING and set(scores()) == {1000}, what="processes that answer")
        assert admin_socket.ask({"command": "status"}).answer == {"error": "kigeon answers others now: ask again"}
        silent.close()
        wait_until(lambda: "senders" in admin_socket.ask({"command": "status"}).answer, what="room at the door")


def test_no_process_that_was_forked_meanwhile_keeps_the_socket(tmp_path: Path) -> None:
    """An operator who comes when the root has ended is told so, and does not wait for one of its actors."""
    settings = Settings((SenderSettings("out", "stdout"),), GlobalSettings(tmp_path))
    moved = tmp_path / "moved"
    with AdminSocket(RequestContext(settings, QueueAddress("nats://127.0.0.1:1", ""), None)):
        (tmp_path / SOCKET).rename(moved)
        theirs, ours = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            theirs.send(b"forked")
            theirs.recv(1)
            os._exit(0)
    with ours, theirs, socket.socket(socket.AF_UNIX) as operator, short_path(moved) as short:
        ours.recv(6)
        with pytest.raises(ConnectionRefusedError):
            operator.connect(short)
    os.waitpid(pid, 0)


def scores() -> list[int]:
    """Return how readily the kernel kills each process that answers."""
    pids = [pid for pid in descendants(os.getpid()) if "kigeon.operator.process" in title(pid)]
    return [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids]
