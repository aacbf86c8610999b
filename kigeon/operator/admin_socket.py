"""The root's side of operators' requests: a Unix socket, and a process for each connection."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections import deque
from dataclasses import dataclass
from typing import Self

from kigeon.config.settings import Settings
from kigeon.kube.source import ClusterSource
from kigeon.operator.address import SOCKET, short_path
from kigeon.processes import close_in_forks, is_running
from kigeon.queue.broker.address import QueueAddress
from kigeon.redaction import secrets_in

log = logging.getLogger(__name__)

CONTEXT_DESCRIPTOR = 3

MOST_ANSWERING = 4
"""Processes that answer at the same time: each may take some of the exporter's memory."""

MOST_TURNED_AWAY = 16
"""Rejected connections that are kept open, so that their clients can read why."""

BUSY = b'{"error":"kigeon answers others now: ask again"}\n'


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the process of a connection works with."""

    settings: Settings
    queue: QueueAddress
    cluster: ClusterSource | None


class AdminSocket:
    """A context manager that listens at the socket; where it can't, the log says so, and kigeon works without it."""

    def __init__(self, context: RequestContext) -> None:
        self._order = context
        self._path = context.settings.global_.data_dir / SOCKET
        self._socket: socket.socket | None = None
        self._answering: list[int] = []
        self._turned_away: deque[socket.socket] = deque()

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._socket = self._listen()
        except OSError as error:
            log.error("operators can't be answered", extra={"socket": str(self._path), "error": str(error)})
        return self

    def __exit__(self, *error: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._path.unlink(missing_ok=True)
        for connection in self._turned_away:
            connection.close()

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that become readable when an operator connects."""
        return [self._socket.fileno()] if self._socket is not None else []

    @property
    def answering(self) -> list[int]:
        """The processes that were started for connections; some may have ended."""
        return self._answering

    def answer(self) -> None:
        """Start a process for each connection that waits; the caller reaps these processes."""
        while self._socket is not None:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # No operator waits, or the operator has gone.
            try:
                self._answer(connection)
            except OSError as error:
                connection.close()
                log.error("an operator can't be answered", extra={"error": str(error)})

    def _answer(self, connection: socket.socket) -> None:
        self._answering = [pid for pid in self._answering if is_running(pid)]
        if len(self._answering) < MOST_ANSWERING:
            with connection:
                self._answering.append(self._spawn(connection))
            return
        connection.setblocking(False)
        connection.sendall(BUSY)
        connection.shutdown(socket.SHUT_WR)
        # To close it before its request is read would reset it and lose the answer.
        self._turned_away.append(connection)
        while len(self._turned_away) > MOST_TURNED_AWAY:
            self._turned_away.popleft().close()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with short_path(self._path) as path:
                listener.bind(path)
            listener.listen(8)
            listener.setblocking(False)
            close_in_forks(listener)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        return listener

    def _spawn(self, connection: socket.socket) -> int:
        """Start a process; it gets the context through memory, so that no argument or variable holds a secret."""
        context = os.memfd_create("kigeon-order", os.MFD_CLOEXEC)
        try:
            os.write(context, pickle.dumps(self._order))
            os.lseek(context, 0, os.SEEK_SET)
            actions = [
                (os.POSIX_SPAWN_DUP2, connection.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, context, CONTEXT_DESCRIPTOR),
            ]
            # -P: -m alone would look for the module in the working directory first, whoever owns that.
            command = [sys.executable, "-P", "-m", "kigeon.operator.process", str(os.getpid())]
            return os.posix_spawn(sys.executable, command, self._environ(), file_actions=actions)
        finally:
            os.close(context)

    def _environ(self) -> dict[str, str]:
        """Return the environment without the secrets that the configuration took from it; the context holds these."""
        secrets = {secret for sender in self._order.settings.senders for secret in secrets_in(sender.config)}
        return {name: value for name, value in os.environ.items() if value not in secrets}
