"""The door of the operators."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

from kigeon.operator.address import SOCKET, short_path
from kigeon.operator.admin_socket import MOST_ANSWERING
from kigeon.processes import descendants
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


def scores() -> list[int]:
    """Return how readily the kernel kills each process that answers."""
    pids = [pid for pid in descendants(os.getpid()) if "kigeon.operator.process" in title(pid)]
    return [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in pids]
