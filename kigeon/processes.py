"""Processes: dying with one's parent, adopting orphans, and finding what runs below."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from kigeon.errors import KigeonError, StartError

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
M_ARENA_MAX = -8

_libc = ctypes.CDLL(None, use_errno=True)
_FATAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


T = TypeVar("T")


def in_a_child(work: Callable[[], T]) -> T:
    """Return what *work* returns in a process of its own, which takes with it what that has imported.

    It raises what *work* raises, if that is a :class:`KigeonError`. This process must have no threads yet.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            os.write(writing, pickle.dumps(_result_of(work)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(pid, 0)
    found: T | KigeonError = pickle.loads(told) if told else StartError("a process that looked at the cluster failed")  # noqa: S301 - from a fork of this process
    if isinstance(found, KigeonError):
        raise found
    return found


def _result_of(work: Callable[[], T]) -> T | KigeonError:
    try:
        return work()
    except KigeonError as error:
        return error


def close_in_forks(owned: socket.socket) -> None:
    """Have every process that is forked from this one close its copy of a socket, which is this one's alone."""
    kept = weakref.ref(owned)

    def close() -> None:
        if (found := kept()) is not None:
            found.close()

    os.register_at_fork(after_in_child=close)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def use_few_arenas() -> None:
    """Let the threads of a process share two arenas of memory: glibc would give each of them one to keep."""
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)


def give_memory_back() -> None:
    """Give the system back what was freed: glibc keeps what lies below something that is still in use."""
    malloc_trim = getattr(_libc, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def become_subreaper() -> None:
    """Adopt every descendant whose parent ends: none escapes, and all can be reaped."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int | None = None, patience: float = 2.0) -> None:
    """Be killed when the parent process ends.

    With *parent*: wait until that process is the parent (an intermediate one of a double fork may still have
    to end: its end must not kill). A parent that has ended already, or never comes, ends this process at once.
    """
    deadline = time.monotonic() + patience
    while parent is not None and os.getppid() != parent and time.monotonic() < deadline:
        time.sleep(0.001)
    before = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != before or (parent is not None and before != parent):
        os._exit(1)


def crash_on_fatal_signals() -> None:
    """Let a memory fault end the process: caught, it would repeat for ever."""
    for fatal in _FATAL:
        signal.signal(fatal, signal.SIG_DFL)


def parents(zombies: bool = False) -> dict[int, int]:
    """Return the parent of every process that is visible, with or without *zombies*."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if zombies or state != "Z":
                found[int(entry.name)] = int(parent)
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie."""
    try:
        # It is asked often: a pathlib.Path costs more than the kernel's answer.
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stat:  # noqa: PTH123
            state = stat.read(1024).rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state != b"Z"


def children(parent: int) -> list[int]:
    """Return the processes that *parent* has started or adopted, those among them that have ended and were not reaped.

    Its threads' lists tell them without a look at every process of the machine; not every kernel has those.
    """
    try:
        tasks = os.listdir(f"/proc/{parent}/task")  # noqa: PTH208 - as above
        return [pid for task in tasks for pid in _children_of(f"/proc/{parent}/task/{task}/children")]
    except OSError:
        return [pid for pid, above in parents(zombies=True).items() if above == parent]


def _children_of(path: str) -> list[int]:
    with open(path, "rb") as found:  # noqa: PTH123 - as above
        return [int(pid) for pid in found.read().split()]


def descendants(root: int, spare: frozenset[int] = frozenset()) -> list[int]:
    """Return every process below *root*, those in *spare* and below them left out; parents come first."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [pid for pid in children.get(root, []) if pid not in spare]
    while waiting:
        pid = waiting.pop(0)
        found.append(pid)
        waiting += [child for child in children.get(pid, []) if child not in spare]
    return found


def reap() -> dict[int, int]:
    """Collect every child that has ended: its wait status by process id."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_descendants(root: int, spare: frozenset[int] = frozenset(), patience: float = 5.0) -> None:
    """Kill every process below *root* but *spare*, and those that they start meanwhile; return when none is left."""
    deadline = time.monotonic() + patience
    while (left := descendants(root, spare)) and time.monotonic() < deadline:
        for pid in left:
            kill(pid)
        reap()
        time.sleep(0.005)
    # What was killed last may not have been collected; orphans come to a subreaper one generation after the other.
    while root in parents(zombies=True).values() and reap() and time.monotonic() < deadline:
        time.sleep(0.001)
