"""What the tests of replicas share; it tells at the end what they measured."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import Several
from tests.support.loki import Loki
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    """Three nats-servers with one JetStream, which holds nothing."""
    with NatsCluster(tmp_path / "nats") as running:
        yield running


@pytest.fixture
def lokis() -> Iterator[Mapping[str, Loki]]:
    """Two destinations, each of a sender of its own."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Loki()) for name in ("one", "two")}


@pytest.fixture
def replicas(tmp_path: Path, api: ApiServer, lokis: Mapping[str, Loki]) -> Iterator[Several]:
    """Three replicas on one nats-server; the senders are spread."""
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, lokis) as several:
        several.start(3)
        wait_until(lambda: several.spread() == [0, 1, 1], what="senders that are spread")
        yield several


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show what each test noted by ``record_property``."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {dict(report.user_properties)}")
