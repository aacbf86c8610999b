"""Whether nats-server still speaks: it greets whoever connects, before anything is asked of it.

A server that hangs is connected to all the same, by the kernel; and where nothing is written, no write fails. So it is
looked at from outside, without waiting: one connection is opened, looked at again and again until the greeting has
come, and closed. After that it is left alone for a while.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

GREETING = b"INFO "

HUNG_AFTER = 8.0
"""Seconds without a greeting after which the server hangs."""

REST = 2.0
"""Seconds from a greeting to the next connection."""

LOOKS = 30
"""Minimum number of failed probes, in case this process was suspended together with the server."""


class Liveness:
    """Owned by who looks when :attr:`due` says so, and when one of :attr:`descriptors` is readable; it never waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._probe: socket.socket | None = None
        self._since = clock()
        self._looks = 0
        self._rests_until = 0.0

    @property
    def due(self) -> float:
        """When to look next, by the clock: at once (0), or after the rest."""
        return self._rests_until if self._probe is None else 0.0

    @property
    def descriptors(self) -> list[int]:
        """What is readable when the greeting has come."""
        return [self._probe.fileno()] if self._probe is not None else []

    def is_hung(self, port: int) -> bool:
        """Look; return whether the server at *port* has not greeted for too long."""
        if self._probe is None:
            if self._clock() < self._rests_until:
                return False
            self._open(port)
        elif self._greets(self._probe):
            self.forget()
            self._rests_until = self._since + REST
        self._looks += 1
        return self._looks > LOOKS and self._clock() - self._since > HUNG_AFTER

    def forget(self) -> None:
        """Begin anew: it has greeted, or it is another server."""
        self._close()
        self._since, self._looks = self._clock(), 0

    def _open(self, port: int) -> None:
        self._probe = socket.socket()
        self._probe.setblocking(False)
        with suppress(OSError):
            self._probe.connect(("127.0.0.1", port))

    def _greets(self, probe: socket.socket) -> bool:
        try:
            return probe.recv(len(GREETING)) == GREETING
        except BlockingIOError:
            return False  # Nothing has come yet.
        except OSError:
            self._close()  # It was refused, or cut off: the next look opens another one.
            return False

    def _close(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
