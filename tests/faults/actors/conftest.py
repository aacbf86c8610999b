from collections.abc import Iterator

import pytest

from tests.faults.actors.rig import IMPATIENT, Rig
from tests.faults.actors.shared import Shared


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory, lambda folder: Rig(folder, IMPATIENT, pusher={"pushTimeout": "1s"}))
    yield shared
    shared.close()


@pytest.fixture
def rig(shared: Shared) -> Rig:
    """kigeon with short deadlines, while events flow; the test has to end with :meth:`Rig.settle`."""
    return shared.get()
