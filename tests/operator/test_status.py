"""A status does not hold what it counts."""

from __future__ import annotations

import time
from pathlib import Path

from kigeon.operator.memory import MOST_ANSWER_BYTES
from tests.support.filled_queue import (
    COUNT,
    Filled,
    assert_status_holds_nothing_that_waits,
)
from tests.support.operating import door_to


def test_status_counts_what_waits_and_holds_none_of_it(tmp_path: Path) -> None:
    assert_status_holds_nothing_that_waits(tmp_path, 100_000)


def test_status_reads_neither_letters_nor_outcomes(filled: Filled) -> None:
    with door_to(filled.server, filled.settings) as admin_socket:
        start = time.monotonic()
        told = admin_socket.ask({"command": "status"})
        assert time.monotonic() - start < 10  # Most of it is a process that starts.
    accounts = told.answer["senders"]["loki"]
    assert (accounts["stored"], accounts["waiting"], accounts["unaccounted"]) == (COUNT, 100, 0)
    assert 0 < told.memory < MOST_ANSWER_BYTES / 8
