"""What the tests of moves share: a JetStream that is not kigeon's own, and a data directory with something of all."""

import tarfile
from pathlib import Path

import pytest

from tests.support.moving import Moving
from tests.support.nats import NatsNode

KEPT = Path(__file__).parents[1] / "upgrades" / "data" / "0.1.0.tar.gz"


@pytest.fixture
def moving(tmp_path: Path, node: NatsNode) -> Moving:
    """A data directory that an earlier version left, with every kind of message, and where it is to be moved to."""
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    queue = {"url": node.url, "eventsMaxAge": "87600h", "eventsMaxBytes": "64Mi"}
    return Moving(tmp_path, tmp_path / "data", queue)
