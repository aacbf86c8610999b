"""The process that serves, as the root has it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kigeon.config.settings import HttpSettings, Settings
from kigeon.http import child
from kigeon.http.child import HttpChild
from kigeon.observability.snapshot import Snapshot
from kigeon.processes import is_running, reap
from tests.support.processes import wait_until

HERE = Settings((), http=HttpSettings("127.0.0.1:0"))


@pytest.fixture
def running() -> Iterator[HttpChild]:
    with HttpChild(HERE) as found:
        yield found
        pid = found.pid
    wait_until(lambda: not is_running(pid), what="its end")
    reap()


def test_nowhere_is_no_process() -> None:
    with HttpChild(Settings((), http=HttpSettings(""))) as nobody:
        nobody.tell(Snapshot())
        assert nobody.pid == 0


def test_one_that_ends_is_replaced(running: HttpChild) -> None:
    first = running.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_running(first), what="its end")

    def is_another() -> bool:
        running.tell(Snapshot())
        return running.pid not in (0, first)

    wait_until(is_another, what="another")


def test_one_that_does_not_read_holds_up_nobody(running: HttpChild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "TELL_EVERY", 0.0)
    os.kill(running.pid, signal.SIGSTOP)
    large = Snapshot(processes={f"process {number}": number for number in range(100_000)})
    for number in range(50):
        running.tell(replace(large, config_hash=number))
    os.kill(running.pid, signal.SIGCONT)


def test_it_is_given_nothing_of_the_environment_that_may_be_secret(
    running: HttpChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKI_PASSWORD", "hunter2")
    with HttpChild(HERE) as another:
        pid = another.pid
        of_it = Path(f"/proc/{pid}")
        wait_until(lambda: b"kigeon.http.process" in (of_it / "cmdline").read_bytes(), what="its begin")
        assert b"hunter2" not in (of_it / "environ").read_bytes()
    wait_until(lambda: not is_running(pid), what="its end")
