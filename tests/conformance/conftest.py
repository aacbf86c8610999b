from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conformance.build import CanNotBuild, binary
from tests.conformance.cluster import Cluster
from tests.conformance.loki import RealLoki


@pytest.fixture(scope="session", autouse=True)
def servers() -> None:
    """Fail, once and clearly, where a server is missing and can't be built."""
    for name in ("etcd", "kube-apiserver", "loki"):
        try:
            binary(name)
        except CanNotBuild as error:
            pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def shared_cluster(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster without any Event, with the rights that are shipped."""
    shared_cluster.clear()
    yield shared_cluster
    shared_cluster.grant()


@pytest.fixture(scope="session")
def real_loki(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLoki]:
    with RealLoki(tmp_path_factory.mktemp("loki")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kigeon"


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test has written to."""
    return f"t{uuid4().hex[:10]}"
