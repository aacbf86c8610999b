"""A million events, a million letters, a million notes: every answer stays within what the kernel allows it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kigeon.operator.memory import MOST_ANSWER_BYTES
from tests.support.filled_queue import Filled, assert_status_holds_nothing_that_waits, audited, audited_in_loki, held_of
from tests.support.operating import door_to

COUNT = 1_000_000


@pytest.mark.timeout(3600)
def test_a_million_events_are_audited_and_told_of(tmp_path: Path) -> None:
    """Two hundred thousand of them are parked, with a reason each, and as many are filtered, none beside another."""
    queue = Filled(tmp_path, COUNT)
    with queue.server:
        queue.server.start()
        said("filled", asyncio.run, queue.fill())
        told = said("audit", audited, queue, False)
        assert (told.answer["listed"], told.answer["unaccounted"], told.counts["events"]) == (COUNT, 0, COUNT)
        assert 0 < told.memory < MOST_ANSWER_BYTES
        told = said("audit --loki", audited_in_loki, queue)
        assert "error" not in told.answer, told.answer
        assert told.answer["loki"] == {"loki": held_of(COUNT)}
        assert told.answer["unaccounted"] == len(told.answer["events"]) == 3 + 2
        assert 0 < told.memory < MOST_ANSWER_BYTES
        with door_to(queue.server, queue.settings) as door:
            for request in ({"command": "status"}, {"command": "dead-letter", "action": "list"}):
                told = said(str(request), door.ask, request, False)
                assert "error" not in told.answer
                assert 0 < told.memory < MOST_ANSWER_BYTES
        assert told.counts["deadLetters"] == (COUNT - 100) // 5


@pytest.mark.timeout(1800)
def test_a_million_letters_are_listed(tmp_path: Path) -> None:
    queue = Filled(tmp_path, COUNT)
    with queue.server:
        queue.server.start()
        said("parked", asyncio.run, queue.fill_letters())
        with door_to(queue.server, queue.settings) as door:
            told = said("dead-letter list", door.ask, {"command": "dead-letter", "action": "list"}, False)
    assert "error" not in told.answer
    assert told.counts["deadLetters"] == COUNT
    assert 0 < told.memory < MOST_ANSWER_BYTES / 2


@pytest.mark.timeout(600)
def test_status_counts_a_million_that_wait(tmp_path: Path) -> None:
    assert_status_holds_nothing_that_waits(tmp_path, COUNT)


def said(what: str, work: Callable[..., Any], *given: Any) -> Any:
    """Return what *work* returns; say how long that took, and how much memory."""
    start = time.monotonic()
    told = work(*given)
    seconds, memory = time.monotonic() - start, getattr(told, "memory", 0)
    sys.stderr.write(f"{what}: {seconds:.1f} s, {memory / 2**20:.1f} MiB\n")
    return told
