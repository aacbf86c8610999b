from collections.abc import Iterator

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.loki import Loki


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as server:
        server.limits.max_age = server.limits.max_behind = float("inf")
        yield server
