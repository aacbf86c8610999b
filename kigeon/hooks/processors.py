"""How many processors this process may use: those that it may run on, and what its control groups grant it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIPS = Path("/proc/self/cgroup")


def processors() -> int:
    """Return how many processors this process may use, at least 1.

    A limit of its control groups (a container's ``limits.cpu``) is rounded down: who uses more is halted again and
    again, and everything in the container with it.
    """
    try:
        memberships = _MEMBERSHIPS.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        memberships = ""
    found = len(os.sched_getaffinity(0))
    granted = processors_granted(memberships, _CGROUPS)
    return found if granted is None else max(1, min(found, int(granted)))


def processors_granted(memberships: str, root: Path) -> float | None:
    """Return the least limit of the control groups in *memberships*; None where there is none.

    *memberships* is a text as proc/PID/cgroup has it, cgroups(7); *root* is where control groups are mounted.
    Version 2 and version 1 are read. A group limits those below it as well. A container may see its own group as the
    root, under whatever name the host knows it: the root itself is always looked at.
    """
    limits = [limit for folder in _folders(memberships, root) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _folders(memberships: str, root: Path) -> Iterator[Path]:
    for line in memberships.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or "cpu" in controllers.split(","):
            top = root if number == "0" else root / "cpu"
            group = Path(path.lstrip("/"))
            yield from (top / part for part in (group, *group.parents) if ".." not in part.parts)


def _limit(folder: Path) -> float | None:
    """Return how many processors a group's folder grants; None without a limit, or without such a group."""
    try:
        if (both := folder / "cpu.max").exists():
            quota, period = both.read_text("ascii").split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text("ascii") for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else None
    except (OSError, ValueError):
        # "max" is no number, and says that there is no limit.
        return None
