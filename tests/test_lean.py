"""What is not used takes no memory."""

import subprocess
import sys
from typing import Any

import pytest

from kigeon.lean import without


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_queue_does_without_aiohttp_and_whoever_wants_it_has_it() -> None:
    script = "import sys, kigeon.queue.broker.connection; print('aiohttp' in sys.modules); import aiohttp; print(True)"
    assert run(script).split() == ["False", "True"]


def test_a_package_that_is_imported_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = object()
    monkeypatch.setitem(sys.modules, "there", there)
    with without("there"):
        assert sys.modules["there"] is there
    assert sys.modules["there"] is there


def test_a_package_is_missing_for_a_while() -> None:
    with without("colorsys"), pytest.raises(ImportError):
        __import__("colorsys")
    assert __import__("colorsys")
