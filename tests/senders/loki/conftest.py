from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.senders.loki.simulation import Simulation


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    simulation = Simulation()
    yield simulation
    simulation.close()
