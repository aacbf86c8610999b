from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nats import NatsCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    """Three nats-servers with one JetStream, which holds nothing."""
    with NatsCluster(tmp_path / "nats") as running:
        yield running
