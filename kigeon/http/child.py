"""Keeps the process that serves HTTP running, and tells it the root's news at most once a second."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Self

from kigeon.config.settings import Settings
from kigeon.observability.snapshot import Snapshot, write_snapshot
from kigeon.processes import is_running, kill

log = logging.getLogger(__name__)

TELL_EVERY = 1.0
REPEAT_EVERY = 10.0
"""Seconds after which an unchanged snapshot is told again, since the process takes a silent root for one that hangs."""

START_AGAIN = (0.0, 1.0, 5.0, 30.0)
"""Seconds before each further start in a row; the last one repeats."""

HEALTHY = 60.0
"""Seconds of running after which the delays begin at the first one again."""

KEPT = ("LANG", "LC_ALL", "PATH", "TZ", "VIRTUAL_ENV")
"""Environment variables that the process is given beside Python's own; any other may hold a secret."""


class HttpChild:
    """A context manager within which the process runs, if an address is configured. No method blocks."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._socket: socket.socket | None = None
        self._unsent = b""
        self._told = Snapshot()
        self._told_at = -REPEAT_EVERY
        self._began_at = 0.0
        self._starts = 0
        self._due = 0.0
        self.pid = 0

    def __enter__(self) -> Self:
        self.keep()
        return self

    def __exit__(self, *error: object) -> None:
        if self._socket is not None:
            self._socket.close()
        if self.pid:
            kill(self.pid)

    @property
    def takes_news(self) -> bool:
        """Whether a new snapshot may be told now; one that was begun is told to its end first."""
        return self._socket is not None and not self._unsent and self._clock() - self._told_at >= TELL_EVERY

    def tell(self, snapshot: Snapshot) -> None:
        """Have the process serve *snapshot* when its turn comes, and start the process again if it has ended."""
        self.keep()
        now = self._clock()
        if self.takes_news and (snapshot != self._told or now - self._told_at >= REPEAT_EVERY):
            self._told, self._told_at = snapshot, now
            self._unsent = write_snapshot(snapshot)
            self._send()

    def keep(self) -> None:
        """Start the process again if it has ended, and go on telling the snapshot that was begun."""
        self._keep(self._clock())
        self._send()

    def _send(self) -> None:
        try:
            while self._socket is not None and self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""  # The process has ended, which the next look notices.

    def _keep(self, now: float) -> None:
        if not self._settings.http.listen or (self.pid and is_running(self.pid)):
            return
        if self.pid:
            self._ended(now)
        if now >= self._due:
            self._start(now)

    def _ended(self, now: float) -> None:
        self._starts = 0 if now - self._began_at >= HEALTHY else self._starts
        self._due = now + START_AGAIN[min(self._starts, len(START_AGAIN) - 1)]
        log.warning("the process that serves HTTP ended, kigeon starts another", extra={"pid": self.pid})
        if self._socket is not None:
            self._socket.close()
        self._socket, self.pid, self._unsent = None, 0, b""

    def _start(self, now: float) -> None:
        self._starts, self._began_at, self._told_at = self._starts + 1, now, -REPEAT_EVERY
        ours, its = socket.socketpair()
        try:
            with its:
                self.pid = self._spawn(its)
        except OSError as error:
            ours.close()
            self._due = now + START_AGAIN[-1]
            log.error("the process that serves HTTP can't be started", extra={"error": str(error)})
            return
        ours.setblocking(False)
        self._socket = ours

    def _spawn(self, its: socket.socket) -> int:
        settings = self._settings
        # Without -P, Python would first look for the module in the working directory, whoever owns that.
        command = [sys.executable, "-P", "-m", "kigeon.http.process", str(os.getpid()), settings.http.listen]
        command += [settings.global_.log_level, settings.global_.log_format]
        environ = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PYTHON")}
        actions = [(os.POSIX_SPAWN_DUP2, its.fileno(), 0)]
        return os.posix_spawn(sys.executable, command, environ, file_actions=actions, setsigdef=[signal.SIGPIPE])
