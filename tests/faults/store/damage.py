"""Damage to what nats-server has stored: when it is done, and to what."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.names import STATE
from tests.support.processes import is_running, wait_until

BUCKET = f"KV_{STATE}"


def while_running(kigeon: Stored, damage: Callable[[], None]) -> None:
    """Do *damage* between two lives of the server."""
    before = kigeon.signal_server(signal.SIGSTOP)
    damage()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not is_running(before), what="the end of nats-server")
    assert kigeon.server() != before


def while_stopped(kigeon: Stored, damage: Callable[[], None]) -> None:
    """Do *damage* after a gentle end."""
    assert kigeon.stop() == 0
    damage()
    kigeon.start()


def after_a_crash(kigeon: Stored, damage: Callable[[], None]) -> None:
    """Do *damage* after everything was killed."""
    kigeon.kill_tree()
    damage()
    kigeon.start()


WHEN = [while_running, while_stopped, after_a_crash]
When = Callable[[Stored, Callable[[], None]], None]


def flip(block: Path, share: float) -> None:
    """Flip a byte of *block*, somewhere after a *share* of it."""
    content = bytearray(block.read_bytes())
    assert len(content) > 100
    content[int(len(content) * share)] ^= 0xFF
    block.write_bytes(content)


def ended(counts: dict[str, int], events: int) -> dict[str, int]:
    """Return *counts* once so many events have ended."""
    total = sum(counts.get(outcome, 0) for outcome in ("sent", "evicted", "parked"))
    return counts if total >= events else {}


def put_slowly(api: ApiServer, kigeon: Stored, events: list[dict[str, object]], stored: int) -> None:
    """Have *events* stored in envelopes of fifty."""
    for start in range(0, len(events), 50):
        api.put_events(events[start : start + 50])
        kigeon.wait_until_accounted("queue", stored=stored + start + 50)
