"""Limits the memory of an answer, by the kernel: the exporter shares its container with the answer."""

from __future__ import annotations

import ctypes
import resource
import threading
from pathlib import Path

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Bytes that an answer may take, beyond what the interpreter and the imports have taken before."""

STACK = 512 * 1024
"""Bytes of a thread's stack, all of which count from the thread's start."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Parameters of glibc's ``mallopt``."""

MAPPED_FROM = 64 * 1024
"""Allocations of at least so many bytes are mappings of their own, which go back to the kernel when they are freed."""

TOO_MUCH = "it takes more memory than an answer may (64 MiB, so that the exporter has enough): ask for less at once"


def data_bytes() -> int:
    """Return how much private writable memory this process has, which RLIMIT_DATA limits."""
    return _status("VmData:")


def limit_memory() -> None:
    """Allow :data:`MOST_ANSWER_BYTES` more bytes from here on; an allocation beyond them raises :class:`MemoryError`.

    Children with limits of their own may raise the limit again.
    """
    threading.stack_size(STACK)
    _return_what_is_freed()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MOST_ANSWER_BYTES, most))


def _return_what_is_freed() -> None:
    """Have glibc keep little freed memory; by default it keeps tens of megabytes after answers were read."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)


def lift_limit() -> None:
    """Restore the limit from the process's start, so that it can report that the answer took too much."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def be_killed_first() -> None:
    """Have the kernel, when memory runs out all the same, kill this process before the exporter's."""
    Path("/proc/self/oom_score_adj").write_text("1000")


def peak_bytes() -> int:
    """Return the peak resident memory of this process; getrusage would count its parent's memory too."""
    return _status("VmHWM:")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise OSError(f"the kernel does not report {key}")
