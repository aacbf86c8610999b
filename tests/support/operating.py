"""Operators' questions to a queue without a kigeon: the door of the root, open in this process."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson

from kigeon.config.settings import Settings
from kigeon.kube.source import ClusterSource
from kigeon.operator.address import SOCKET, short_path
from kigeon.operator.admin_socket import AdminSocket, RequestContext
from kigeon.processes import descendants
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.process import NatsServer
from tests.support.processes import title, wait_until


@dataclass(slots=True)
class Told:
    """An answer put together: the object, what was told of progress, the most memory beyond its beginning (bytes)."""

    answer: dict[str, Any] = field(default_factory=dict)
    progress: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    memory: int = -1


class Door:
    """Asks what an operator asks."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def ask(self, request: Mapping[str, Any], keeps: bool = True) -> Told:
        """Return the answer; without *keeps* only how much of each list there was."""
        told = Told()
        with socket.socket(socket.AF_UNIX) as connection, short_path(self._data_dir / SOCKET) as path:
            connection.connect(path)
            connection.sendall(orjson.dumps(request) + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    ((kind, found),) = orjson.loads(line).items()
                    _take(told, kind, found, keeps)
        return told


def _take(told: Told, kind: str, found: Any, keeps: bool) -> None:
    if kind == "progress":
        told.progress.append(found)
    elif kind == "end":
        told.memory = found["memory"]
    elif kind in ("items", "entries"):
        name, value = found
        told.counts[name] = told.counts.get(name, 0) + len(value)
        if keeps:
            empty: Any = [] if kind == "items" else {}
            grown = told.answer.setdefault(name, empty)
            grown.extend(value) if kind == "items" else grown.update(value)
    else:
        told.answer.update(found if kind == "members" else {kind: found})


@contextmanager
def door_to(server: NatsServer, settings: Settings, cluster: ClusterSource | None = None) -> Iterator[Door]:
    """Have the door open for the length of a block; whatever it started has ended after it."""
    order = RequestContext(settings, QueueAddress(server.url, server.token), cluster)
    done = Event()
    with AdminSocket(order) as admin_socket:
        # A process at the door ends with the thread that started it.
        thread = Thread(target=_stand_at, args=(admin_socket, done), name="door")
        thread.start()
        try:
            yield Door(settings.global_.data_dir)
        finally:
            done.set()
            thread.join()
            wait_until(lambda: not _answering(), what="the end of every answer")


def _stand_at(admin_socket: AdminSocket, done: Event) -> None:
    while not done.is_set():
        if select.select(admin_socket.descriptors, [], [], 0.05)[0]:
            admin_socket.answer()


def _answering() -> list[int]:
    """Return the processes that answer, those that have ended collected."""
    found = [pid for pid in descendants(os.getpid()) if "kigeon.operator.process" in title(pid)]
    return [pid for pid in found if os.waitpid(pid, os.WNOHANG) == (0, 0)]
