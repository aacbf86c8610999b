"""Turns signals into a descriptor that can be waited for."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self


class Signals:
    """Counts SIGTERM and SIGINT; each makes ``descriptor`` readable, and so does the end of a child."""

    def __init__(self) -> None:
        self.stops = 0
        self._pipe: tuple[int, int] = (-1, -1)
        self._saved: dict[int, Any] = {}

    @property
    def descriptor(self) -> int:
        """Readable after a signal."""
        return self._pipe[0]

    def __enter__(self) -> Self:
        self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            self._saved[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._saved.items():
            signal.signal(number, handler)
        for descriptor in self._pipe:
            os.close(descriptor)

    def wait(self, seconds: float, others: Sequence[int] = ()) -> None:
        """Return after a signal, or when one of *others* is readable; at the latest after *seconds*."""
        if self.descriptor in select.select([self.descriptor, *others], [], [], max(seconds, 0.0))[0]:
            os.read(self.descriptor, 4096)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.stops += 1
