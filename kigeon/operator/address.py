"""Where an operator finds a running kigeon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET = Path("run") / "operator.sock"
"""Below dataDir."""


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Provide a name for *path* that fits into a socket's address (107 bytes), however deep *path* lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
