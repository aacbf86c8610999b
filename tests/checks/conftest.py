from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.checking import Setup
from tests.support.loki import Loki


@pytest.fixture
def setup(tmp_path: Path, api: ApiServer, loki: Loki) -> Setup:
    """A configuration with which all is well."""
    return Setup(tmp_path, api, loki)
