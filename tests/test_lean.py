"""What is not used takes no memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kigeon.lean import deferring, forget, standing_in, without


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


def test_a_deferred_module_runs_when_something_of_it_is_used_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text("import sys\nsys.late_ran = True\nVALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "late_ran", False, raising=False)
    with deferring("late"):
        late: Any = __import__("late")
    assert "late" in sys.modules
    assert not vars(sys)["late_ran"]
    assert late.VALUE == 7
    assert vars(sys)["late_ran"]
    forget("late")
    assert "late" not in sys.modules


def test_a_deferred_module_that_is_not_there_is_missing_at_once() -> None:
    with deferring("nowhere_at_all"), pytest.raises(ImportError):
        __import__("nowhere_at_all")


def test_something_stands_in_for_a_module_for_a_while() -> None:
    with standing_in("nowhere_at_all", value=7):
        assert __import__("nowhere_at_all").value == 7
    with pytest.raises(ImportError):
        __import__("nowhere_at_all")


def test_nothing_stands_in_for_a_module_that_is_imported_already() -> None:
    with standing_in("json", dumps=None):
        assert __import__("json").dumps(7) == "7"
    assert "json" in sys.modules


def test_a_package_is_forgotten_with_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = object()
    for name in ("there", "there.inner", "thereabouts"):
        monkeypatch.setitem(sys.modules, name, there)
    forget("there")
    assert [name for name in ("there", "there.inner", "thereabouts") if name in sys.modules] == ["thereabouts"]
