from pathlib import Path

import pytest

from kigeon.kube.access import ClusterAccess
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer


@pytest.fixture
def access(tmp_path: Path, api: ApiServer) -> ClusterAccess:
    """Access to `api`."""
    return ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
