from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk import Disk


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
