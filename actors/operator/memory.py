"""How much memory an answer may take, as the kernel enforces it: the exporter shares its container with the answer."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

MOST = 64 * 1024 * 1024
"""Bytes that an answer may take, beyond what the interpreter and the imports have taken before."""

STACK = 512 * 1024
"""Bytes of a thread's stack, each of which counts from its start."""

TOO_MUCH = "it takes more memory than an answer may: 64 MiB, so that the exporter has its own"


def data_bytes() -> int:
    """Return how much writable memory of its own this process has: what RLIMIT_DATA limits."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise OSError("the kernel does not tell how much memory the process has")


def limit_memory() -> None:
    """Allow no more than :data:`MOST` bytes from here on; what needs more raises :class:`MemoryError`.

    Children that have limits of their own may raise it again.
    """
    threading.stack_size(STACK)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + MOST, most))


def lift_limit() -> None:
    """Allow what the process began with: to say that it was too much."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def peak_bytes() -> int:
    """Return the most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
