"""Hooks for tests: scripts written where a test wants them, and runners that are closed behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kigeon.config.settings import HookSettings
from kigeon.hooks.results import Result
from kigeon.hooks.runner import HookRunner

CONFIG = {"url": "http://loki:3100", "tenantID": "base", "streamLabels": {"cluster": "test"}}


def write(folder: Path, source: str) -> Path:
    """Write *source* as a script and return its path."""
    script = folder / "hook.star"
    script.write_text(source, "utf-8")
    return script


@contextmanager
def running(folder: Path, source: str, timeout: float = 0.1) -> Iterator[HookRunner]:
    """Return a started runner of *source*; it is closed at the end."""
    runner = HookRunner(HookSettings(script=write(folder, source), timeout=timeout), CONFIG)
    try:
        runner.start()
        yield runner
    finally:
        runner.close()


@contextmanager
def no_worker_starts(folder: Path) -> Iterator[None]:
    """Have each worker end that is started during a block; *folder* is one of the test's."""
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("kigeon.hooks.process._WORKER", folder / "missing.py")
        yield


def of(*lines: str) -> str:
    """Return a script whose transform has these lines."""
    return "\n    ".join(["def transform(config, event):", *lines]) + "\n"


def once(folder: Path, source: str, event: dict[str, Any]) -> Result:
    """Return what *source* makes of one event."""
    with running(folder, source) as runner:
        (result,) = runner.transform([event])
        return result
