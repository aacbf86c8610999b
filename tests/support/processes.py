"""Looking at processes, and waiting for things."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kigeon.processes import PR_SET_PDEATHSIG, children, descendants, is_running

T = TypeVar("T")

_libc = ctypes.CDLL(None)

__all__ = [
    "children",
    "descendants",
    "end_with",
    "freeze",
    "inet_listeners",
    "is_running",
    "processor_seconds",
    "proportional_memory",
    "title",
    "wait_until",
]


def end_with(parent: int) -> Callable[[], None]:
    """Return what a child runs first: it is killed when the thread of *parent* that made it ends, whatever ends it."""

    def arrange() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def wait_until(condition: Callable[..., T], timeout: float = 40.0, what: str = "it") -> T:
    """Return what *condition* returns once that is true; :class:`TimeoutError` when it is not in time.

    The pause between two looks is as long as a look: one that starts a process leaves the processor to what it awaits.
    """
    deadline = time.monotonic() + timeout
    while (began := time.monotonic()) < deadline:
        found = condition()
        if found:
            return found
        time.sleep(max(time.monotonic() - began, 0.01))
    raise TimeoutError(f"{what} did not come true within {timeout} s")


def freeze(pid: int) -> None:
    """Stop a process, and return when each of its threads has stopped: the signal alone is only the wish."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(map(_is_stopped, Path(f"/proc/{pid}/task").iterdir())), what=f"the stop of {pid}")


def _is_stopped(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True


def title(pid: int) -> str:
    """Return a process's command line; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def proportional_memory(pids: list[int]) -> int:
    """Return the bytes that *pids* take together, shared pages counted once (PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def processor_seconds(pids: list[int]) -> float:
    """Return how much of the processor *pids* have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def inet_listeners(pids: list[int]) -> list[tuple[int, str]]:
    """Return pid and local address (hexadecimal, as the kernel shows it) of every listening inet socket."""
    listening = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in ("0A", "07"):
                listening[fields[9]] = fields[1]
    found = []
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in listening:
                found.append((pid, listening[target[8:-1]]))
    return found
