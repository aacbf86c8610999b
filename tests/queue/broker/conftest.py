from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queue.broker.nodes import USER
from tests.support.nats import NatsNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NatsNode]:
    """A server that lets the user kigeon in."""
    with NatsNode(tmp_path / "n", more=USER.format("first")) as running:
        yield running
