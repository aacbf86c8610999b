from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from actors.base import KigeonActor
from tests.support.actors import ActorHarness, ManualTime, detach

MakeActor = Callable[[type[KigeonActor]], ActorHarness[Any]]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> ManualTime:
    """The time that an actor sees, where it is made as an object."""
    return detach(monkeypatch)


@pytest.fixture
def make(time: ManualTime) -> Iterator[MakeActor]:
    """Make actors as objects."""
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(closing(ActorHarness(kind)))
