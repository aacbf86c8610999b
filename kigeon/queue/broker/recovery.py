"""How long a nats-server that starts is waited for: as long as it gets on with its work.

Without its index, or after a crash, it reads the whole store before it takes connections: minutes, where that is large
and the disk is slow. Killed meanwhile it would have to begin anew, for ever. That it works is seen from outside: by the
time that it gets of the processor, by the bytes that it reads and writes, and by what it says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STALLED_AFTER = 30.0
"""Seconds without progress after which it is given up."""

LOOKS = 30
"""Minimum number of failed probes, in case this process was suspended together with the server."""

SAY_EVERY = 10.0
"""Seconds between two lines of the log about a server that is not ready yet."""

_NOTICEABLE = 0.1
"""Seconds of the processor that are progress: one that hangs uses some, too, but not as many within the patience."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has done so far: seconds of the processor, bytes read and written, bytes of its log."""

    processor: float = 0.0
    moved: int = 0
    said: int = 0

    def exceeds(self, other: Work) -> bool:
        """Whether it is noticeably more than *other*."""
        return self.processor >= other.processor + _NOTICEABLE or self.moved != other.moved or self.said != other.said


def work_of(pid: int, output: Path) -> Work:
    """Return the work of the process *pid*, whose log is the file *output*; what can't be read counts as none."""
    return Work(_processor_seconds(pid), _bytes_moved(pid), _size(output))


class Recovery:
    """Watches one start. Pure: times (seconds of a steady clock) and work are handed in."""

    def __init__(self, now: float, patience: float = STALLED_AFTER) -> None:
        self._patience = patience
        self._began = self._advanced = self._told = now
        self._work = Work()
        self._in_vain = 0

    def is_stuck(self, now: float, work: Work) -> bool:
        """Note *work*; return whether there was no progress for too long."""
        if work.exceeds(self._work):
            self._work, self._advanced, self._in_vain = work, now, 0
            return False
        self._in_vain += 1
        return self._in_vain > LOOKS and now - self._advanced > self._patience

    def seconds(self, now: float) -> float:
        """Return how long it has taken so far."""
        return now - self._began

    def is_worth_a_word(self, now: float) -> bool:
        """Return whether it is time to say that it takes long; once in :data:`SAY_EVERY`."""
        if now - self._told < SAY_EVERY:
            return False
        self._told = now
        return True


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def _bytes_moved(pid: int) -> int:
    """What goes through calls and what goes to the disk: a file that is mapped is read without a call."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if not line.startswith(("sysc", "cancelled")))
    except (OSError, ValueError, IndexError):
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
