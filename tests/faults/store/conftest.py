from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.disk import Disk
from tests.support.loki import Loki
from tests.system.test_faults import Flow


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as server:
        yield server


@pytest.fixture
def flow(api: ApiServer) -> Iterator[Flow]:
    with Flow(api) as running:
        yield running


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk in memory."""
    with Disk(tmp_path / "data", megabytes=24) as mounted:
        yield mounted


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Disk]:
    """A disk that can lose its power."""
    with Disk(tmp_path / "data", megabytes=128, image=tmp_path / "image") as mounted:
        yield mounted
