from pathlib import Path

import pytest


@pytest.fixture
def script(tmp_path: Path) -> Path:
    found = tmp_path / "hooks" / "a.star"
    found.parent.mkdir()
    found.touch()
    return found
