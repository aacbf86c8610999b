"""Nothing is imported from, run out of, or written to the directory that kigeon happens to be started in."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from actors.actor_system import _fresh_directory
from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import descendants, is_running, wait_until

MARK = "import pathlib\npathlib.Path({mark!r}).touch()\nraise SystemExit('this is not what was meant')\n"

MODULES = (
    "actors/__init__.py",
    "kigeon/__init__.py",
    "kubernetes/__init__.py",
    "kubernetes.py",
    "sitecustomize.py",
    "usercustomize.py",
    "starlark.py",
    "thespian/__init__.py",
    "orjson.py",
    "json.py",
    "logging.py",
)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory full of what must not be used; the mark that it would leave is beside it."""
    folder = tmp_path / "trap"
    for name in MODULES:
        module = folder / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(MARK.format(mark=str(tmp_path / "mark")))
    server = folder / "nats-server"
    server.write_text(f"#!/bin/sh\ntouch {tmp_path / 'mark'}\n")
    server.chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_everything_runs_elsewhere(tmp_path: Path, api: ApiServer, loki: Loki, trap: Path) -> None:
    """Actors, the operator's commands, a hook's worker, and what is started anew after a crash."""
    before = files(trap)
    (tmp_path / "h.star").write_text("def transform(config, event):\n    return config\n")
    hook = {"script": str(tmp_path / "h.star"), "enrichPod": True}
    events = [make_event(number) for number in range(100)]
    api.put_events(events[:50])
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki, hook=hook)]) as kigeon:
        kigeon.environ = {"PATH": f":.:{os.environ['PATH']}"}
        loki.wait_for(50)
        kigeon.ask("status")
        kigeon.ask("audit")
        kigeon.ask("dead-letter", "list")
        for pid in [kigeon.actor("sender/loki"), kigeon.process("nats-server"), kigeon.process("worker.py")]:
            # A hook's worker ends with its sender, which is killed before it.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda gone=pid: not is_running(gone))
        api.put_events(events[50:])
        loki.wait_for(100)
        assert not [pid for pid in descendants(kigeon.pid) if _program(pid).is_relative_to(trap)]
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert not (tmp_path / "mark").exists()
    assert files(trap) == before


def test_the_demo_runs_elsewhere(tmp_path: Path, trap: Path) -> None:
    before = files(trap)
    demo: list[str | Path] = [Path(sys.executable).with_name("kigeon"), "demo", "--events", "20", "--rate", "200"]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("seen 20, ")
    assert not (tmp_path / "mark").exists()
    assert files(trap) == before


def test_sockets_are_not_put_here_where_nothing_is_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: Path
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(trap))
    before = files(trap)
    run = tmp_path / "run"
    run.mkdir()
    assert Path(_fresh_directory(run / "sockets")).parent == run
    assert files(trap) == before


def _program(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return Path("/")
