from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.actors.rig import IMPATIENT, Rig


class Shared:
    """One rig for many tests, until one of them fails: what it left behind is not the next one's."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack = ExitStack()
        self._rig: Rig | None = None

    def get(self) -> Rig:
        """Return a rig that the last test left in order."""
        if self._rig is None or not self._rig.is_settled:
            self.close()
            rig = Rig(self._factory.mktemp("rig"), IMPATIENT, pusher={"pushTimeout": "1s"})
            self._rig = self._stack.enter_context(rig)
        self._rig.disarm()
        self._rig.is_settled = False
        return self._rig

    def close(self) -> None:
        """End it."""
        self._stack.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory)
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared) -> Rig:
    """kigeon with short deadlines, while events flow; the test has to end with :meth:`Rig.settle`."""
    return shared.get()
