"""Orphans: processes that the root has adopted, since whatever started them has ended without them.

Most end with their parent by themselves: they ask the kernel for it first of all. One that was stopped before it had
asked does not, nor does what an exec plugin has left behind. Nobody else would end them before kigeon itself ends.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from kigeon.processes import children, is_running, kill

log = logging.getLogger(__name__)


class Orphans:
    """Looks at the children of this process, which has to be a subreaper. Those that it has already are its own."""

    def __init__(self) -> None:
        self._before = frozenset(children(os.getpid()))
        self._seen: frozenset[int] = frozenset()

    def end(self, own: Iterable[int]) -> None:
        """End every child but its *own*; one that is seen for the first time may be about to end by itself.

        The signal ends also a process that is stopped. Whoever calls this has to reap.
        """
        others = frozenset(children(os.getpid())) - self._before - frozenset(own)
        found = frozenset(pid for pid in others if is_running(pid))
        for pid in found & self._seen:
            log.warning(
                "a process whose parent has ended without it is ended", extra={"pid": pid, "program": _program(pid)}
            )
            kill(pid)
        self._seen = found


def _program(pid: int) -> str:
    """Return what a process runs; without its arguments, which may hold a secret."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
