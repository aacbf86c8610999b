"""Decides whether a nats-server that starts makes progress with the recovery of its store.

Without its index, or after a crash, nats-server reads its whole store before it takes connections, which takes minutes
for a large store on a slow disk. If kigeon killed the server meanwhile, the recovery would begin again, for ever. The
progress is seen from outside, by the server's processor time, the bytes that it reads and writes, and its log.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STALLED_AFTER = 30.0
"""Seconds without progress after which the start counts as failed."""

LOOKS = 30
"""Minimum number of failed probes, in case this process was suspended together with the server."""

SAY_EVERY = 10.0
"""Seconds between two log lines about a server that is not ready yet."""

_NOTICEABLE = 0.1
"""Seconds of the processor that count as progress; a hanging server uses fewer within :data:`STALLED_AFTER`."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a process so far, in seconds of the processor, bytes read and written, and bytes of its log."""

    processor: float = 0.0
    moved: int = 0
    said: int = 0

    def exceeds(self, other: Work) -> bool:
        """Return whether this work is noticeably more than *other*."""
        return self.processor >= other.processor + _NOTICEABLE or self.moved != other.moved or self.said != other.said


def work_of(pid: int, output: Path) -> Work:
    """Return the work of the process *pid*, whose log is the file *output*; a figure that can't be read counts as 0."""
    return Work(_processor_seconds(pid), _bytes_moved(pid), _size(output))


class Recovery:
    """Watches one start. Pure; its methods take the time, in seconds of a steady clock, and the work."""

    def __init__(self, now: float, patience: float = STALLED_AFTER) -> None:
        self._patience = patience
        self._began = self._advanced = self._told = now
        self._work = Work()
        self._in_vain = 0

    def is_stuck(self, now: float, work: Work) -> bool:
        """Note *work*; return whether the server has made no progress for too long."""
        if work.exceeds(self._work):
            self._work, self._advanced, self._in_vain = work, now, 0
            return False
        self._in_vain += 1
        return self._in_vain > LOOKS and now - self._advanced > self._patience

    def seconds(self, now: float) -> float:
        """Return how many seconds the start has taken so far."""
        return now - self._began

    def is_worth_a_word(self, now: float) -> bool:
        """Return whether to log again that the start takes long, which is once in :data:`SAY_EVERY`."""
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
    """Return the bytes that calls and the disk have moved, since a mapped file is read without a call."""
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
