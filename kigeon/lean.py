"""Importing a package without what it imports and hardly ever uses: each such module takes memory in every process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any


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


@contextmanager
def deferring(*names: str) -> Iterator[None]:
    """Have the modules *names* run when something of them is used first, and not when they are imported."""
    finder = _Deferring(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def standing_in(name: str, **attributes: Any) -> Iterator[None]:
    """Have a module with these *attributes* imported as *name*; one that is imported already stays."""
    if name in sys.modules:
        yield
        return
    module = ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


def forget(name: str) -> None:
    """Have the package *name* imported anew, should it be wanted again."""
    for module in [module for module in sys.modules if module.split(".", 1)[0] == name]:
        del sys.modules[module]


class _Deferring(MetaPathFinder):
    """Finds modules of some names as they are found otherwise, and has them run late."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what tells how to make the module; None leaves it to the other finders."""
        found = PathFinder.find_spec(fullname, path, target) if fullname in self._names else None
        if found is not None and found.loader is not None:
            found.loader = LazyLoader(found.loader)
        return found
