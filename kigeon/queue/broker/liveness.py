"""Probes whether nats-server still greets new connections, as a live server does before it is asked anything.

The kernel accepts connections for a server that hangs, too, and where nobody writes, no write fails. So the server is
probed from outside, without waiting: the probe opens a connection, looks for the greeting again and again, closes the
connection, and leaves the server alone for a while.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

GREETING = b"INFO "

HUNG_AFTER = 8.0
"""Seconds without a greeting after which the server counts as hanging."""

REST = 2.0
"""Seconds from a greeting to the next connection."""

LOOKS = 30
"""Minimum number of failed probes, in case this process was suspended together with the server."""


class Liveness:
    """The probe of one server, which never waits.

    Its owner calls :meth:`is_hung` when :attr:`due` says so, and when one of :attr:`descriptors` is readable.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._probe: socket.socket | None = None
        self._since = clock()
        self._looks = 0
        self._rests_until = 0.0

    @property
    def due(self) -> float:
        """The time of the next look, by the clock; 0 is at once."""
        return self._rests_until if self._probe is None else 0.0

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors that become readable when the greeting has come."""
        return [self._probe.fileno()] if self._probe is not None else []

    def is_hung(self, port: int) -> bool:
        """Look for the greeting; return whether the server at *port* has sent none for too long."""
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
        """Begin a new probe, because the server has greeted, or was replaced."""
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
            return False  # The greeting has not come yet.
        except OSError:
            self._close()  # The connection was refused, or cut off, and the next look opens another one.
            return False

    def _close(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
