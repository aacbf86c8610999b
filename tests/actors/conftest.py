from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.actors import ActorHarness, MakeActor, ManualTime, detach


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> ManualTime:
    """The time that an actor sees, where it is made as an object."""
    return detach(monkeypatch)


@pytest.fixture
def make(time: ManualTime) -> Iterator[MakeActor]:
    """Make actors as objects."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(closing(ActorHarness(kind)))
