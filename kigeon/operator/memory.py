"""How much memory an answer may take, as the kernel enforces it: the exporter shares its container with the answer."""

from __future__ import annotations

import ctypes
import resource
import threading
from pathlib import Path

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""Bytes that an answer may take, beyond what the interpreter and the imports have taken before."""

STACK = 512 * 1024
"""Bytes of a thread's stack, each of which counts from its start."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Of glibc's ``mallopt``."""

MAPPED_FROM = 64 * 1024
"""Bytes of an allocation from which on it is a mapping of its own, which goes back to the kernel as it is freed."""

TOO_MUCH = "it takes more memory than an answer may: 64 MiB, so that the exporter has its own"


def data_bytes() -> int:
    """Return how much writable memory of its own this process has: what RLIMIT_DATA limits."""
    return _status("VmData:")


def limit_memory() -> None:
    """Allow no more than :data:`MOST_ANSWER_BYTES` bytes from here on; what needs more raises :class:`MemoryError`.

    Children that have limits of their own may raise it again.
    """
    threading.stack_size(STACK)
    _return_what_is_freed()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MOST_ANSWER_BYTES, most))


def _return_what_is_freed() -> None:
    """Have glibc keep little of what was freed: by itself it keeps tens of megabytes of answers that were read."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)


def lift_limit() -> None:
    """Allow what the process began with: to say that it was too much."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def be_killed_first() -> None:
    """Let the kernel, where memory ends all the same, take this process before any of the exporter's."""
    Path("/proc/self/oom_score_adj").write_text("1000")


def peak_bytes() -> int:
    """Return the most memory that this process ever had resident: getrusage would count what its parent had."""
    return _status("VmHWM:")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise OSError(f"the kernel does not tell of {key}")
