"""One rig that many tests use in turn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.actors.rig import Rig


class Shared:
    """One rig for many tests, until one of them fails: what it left behind is not the next one's."""

    def __init__(self, factory: pytest.TempPathFactory, make: Callable[[Path], Rig]) -> None:
        self._factory = factory
        self._make = make
        self._stack = ExitStack()
        self._rig: Rig | None = None

    def get(self) -> Rig:
        """Return a rig that the last test left in order."""
        if self._rig is None or not self._rig.is_settled:
            self.close()
            self._rig = self._stack.enter_context(self._make(self._factory.mktemp("rig")))
        self._rig.disarm()
        self._rig.is_settled = False
        return self._rig

    def close(self) -> None:
        """End it."""
        self._stack.close()
