import subprocess
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.checking import Setup
from tests.support.loki import Loki


@pytest.fixture
def setup(tmp_path: Path, api: ApiServer, loki: Loki) -> Setup:
    """A configuration with which all is well."""
    return Setup(tmp_path, api, loki)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
