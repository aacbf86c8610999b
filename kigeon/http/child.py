"""The process that serves, as the root sees it: started again when it ends, told what is new at most once a second."""

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
"""Seconds after which what has not changed is told again: a root that says nothing hangs."""

START_AGAIN = (0.0, 1.0, 5.0, 30.0)
"""Seconds before each start in a row; the last from then on."""

HEALTHY = 60.0
"""Seconds for which it has to run until the delays begin anew."""

KEPT = ("LANG", "LC_ALL", "PATH", "TZ", "VIRTUAL_ENV")
"""What of the environment it is given, with all that is for Python: the rest may hold a secret."""


class HttpChild:
    """A context manager: within it the process runs, where an address is configured. Nothing here blocks."""

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
        """Whether something new may be told now; what was begun is told to its end first."""
        return self._socket is not None and not self._unsent and self._clock() - self._told_at >= TELL_EVERY

    def tell(self, snapshot: Snapshot) -> None:
        """Have the process serve *snapshot*, as soon as it is its time; see that there is a process."""
        self.keep()
        now = self._clock()
        if self.takes_news and (snapshot != self._told or now - self._told_at >= REPEAT_EVERY):
            self._told, self._told_at = snapshot, now
            self._unsent = write_snapshot(snapshot)
            self._send()

    def keep(self) -> None:
        """See that there is a process, and that what was begun to be told goes on."""
        self._keep(self._clock())
        self._send()

    def _send(self) -> None:
        try:
            while self._socket is not None and self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""  # It has ended: seen at the next look.

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
        log.warning("the process that serves HTTP ended, it is started again", extra={"pid": self.pid})
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
        # -P: by -m alone it would be looked for in the working directory first, whoever that belongs to.
        command = [sys.executable, "-P", "-m", "kigeon.http.process", str(os.getpid()), settings.http.listen]
        command += [settings.global_.log_level, settings.global_.log_format]
        environ = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PYTHON")}
        actions = [(os.POSIX_SPAWN_DUP2, its.fileno(), 0)]
        return os.posix_spawn(sys.executable, command, environ, file_actions=actions, setsigdef=[signal.SIGPIPE])
