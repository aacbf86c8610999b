"""Tells at the end what the tests measured."""

import pytest
from _pytest.terminal import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show what each test noted by ``record_property``."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {dict(report.user_properties)}")
