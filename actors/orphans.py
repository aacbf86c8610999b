"""Ends orphans: processes that the root has adopted because their parents have ended.

Most processes end with their parent: they ask the kernel for that first of all. A process that was stopped before it
had asked does not, nor does a process that an exec plugin has left behind. Nobody else would end these before kigeon.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from kigeon.processes import children, is_running, kill

log = logging.getLogger(__name__)


class Orphans:
    """Watches the children of this process, which has to be a subreaper. Children that it has already are its own."""

    def __init__(self) -> None:
        self._before = frozenset(children(os.getpid()))
        self._seen: frozenset[int] = frozenset()

    def end(self, own: Iterable[int]) -> None:
        """End every child but its *own*. A child that is seen for the first time is spared: it may be about to end.

        The signal also ends a stopped process. The caller has to reap.
        """
        others = frozenset(children(os.getpid())) - self._before - frozenset(own)
        found = frozenset(pid for pid in others if is_running(pid))
        for pid in found & self._seen:
            log.warning("ending a process whose parent has ended", extra={"pid": pid, "program": _program(pid)})
            kill(pid)
        self._seen = found


def _program(pid: int) -> str:
    """Return what a process runs; without its arguments, which may hold a secret."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
