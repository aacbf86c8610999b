import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.standin.apiserver import ApiServer
from tests.support.flow import Flow
from tests.support.loki import Loki
from tests.support.nats import NatsNode
from tests.support.settings import QUEUE_SETTINGS

# How long an example takes says something of the machine alone: a fresh clone has to build its tables of
# characters first.
settings.register_profile("kigeon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kigeon")


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A stand-in for the API server, without any object."""
    with ApiServer() as running:
        yield running


@pytest.fixture
def flow(api: ApiServer) -> Iterator[Flow]:
    """Events that keep coming."""
    with Flow(api) as running:
        yield running


@pytest.fixture
def loki() -> Iterator[Loki]:
    """A stand-in for Loki that holds nothing."""
    with Loki() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server that holds nothing."""
    with NatsServer(tmp_path / "data", file_store_bytes(QUEUE_SETTINGS)) as running:
        running.start()
        yield running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NatsNode]:
    """A nats-server that is not kigeon's own, and holds nothing."""
    with NatsNode(tmp_path / "nats") as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody vouches for, and its key; whoever changes them makes its own."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
