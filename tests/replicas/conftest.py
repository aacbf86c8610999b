"""What the tests of replicas share; it tells at the end what they measured."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from tests.support.loki import Loki
from tests.support.nats import NatsCluster


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


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show what each test noted by ``record_property``."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {dict(report.user_properties)}")
