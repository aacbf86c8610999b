"""Importing a package without one that it can do without."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Have the import of the package *name* fail, as where it is not installed; one that is imported already stays."""
    if name in sys.modules:
        yield
        return
    # What the import system takes for a module that is not there.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
