"""The worker's process: what it must not have, what is read of a dead one, and that none is left behind."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from kigeon.errors import HookLoadError
from kigeon.hooks import frames, process
from kigeon.hooks.process import WorkerEnded, WorkerProcess
from tests.hooks.scripts import of, once, running
from tests.support.processes import descendants, is_running, wait_until

SAME = of("return config")
ROOT = Path(__file__).parents[2]


def order(source: str) -> bytes:
    return frames.encode(
        frames.LOAD, orjson.dumps({"name": "x.star", "source": source, "config": "{}", "timeout": 1.0})
    )


def limits(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:25].strip(): line[47:68].strip() for line in lines}


def test_no_files_no_cores_little_memory(tmp_path: Path) -> None:
    with running(tmp_path, SAME) as runner:
        found = limits(runner.pid)
        assert (found["Max open files"], found["Max file size"], found["Max core file size"]) == ("3", "0", "0")
        assert int(found["Max address space"]) <= 256 * 1024 * 1024
        assert sorted(path.name for path in Path(f"/proc/{runner.pid}/fd").iterdir()) == ["0", "1", "2"]
        assert "NoNewPrivs:\t1" in Path(f"/proc/{runner.pid}/status").read_text()


def test_no_secret_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKI_PASSWORD", "hunter2")
    with running(tmp_path, SAME) as runner:
        assert Path(f"/proc/{runner.pid}/environ").read_bytes() == b"RUST_BACKTRACE=0\0"


@pytest.mark.parametrize("name", ["open", "exec", "eval", "__import__", "socket", "os"])
def test_a_script_is_offered_nothing_outside_of_itself(tmp_path: Path, name: str) -> None:
    with pytest.raises(HookLoadError, match=f"`{name}` not found"):
        once(tmp_path, of(f"{name}('/etc/passwd')", "return config"), {})


def test_what_a_worker_said_before_it_died_is_read_although_nothing_can_be_written_to_it() -> None:
    worker = WorkerProcess()
    try:
        worker.send(order(of("if event['n'] == 2:", "    return [0] * 1000000000", "return config")))
        worker.send(frames.encode(frames.EVENT, b'{"n":1}') + frames.encode(frames.EVENT, b'{"n":2}'))
        came = worker.exchange(0.0)
        wait_until(lambda: not is_running(worker.pid), what="the worker's end")
        worker.send(frames.encode(frames.EVENT, b'{"n":3}'))
        while frame := worker.exchange(1.0):
            came += frame
            if len(came) == 2:
                break
        assert came == [(frames.READY, b""), (frames.SAME, b"")]
        with pytest.raises(WorkerEnded, match="signal 6"):
            worker.exchange(1.0)
    finally:
        worker.close()


def test_what_several_events_come_to_is_read_together_and_a_single_one_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, events = WorkerProcess(), 300
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        wait_until(lambda: unread(worker) >= 5 * events, what="all that the worker has to say")

    try:
        worker.send(order(SAME))
        assert worker.exchange(10.0) == [(frames.READY, b"")]
        monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=time.monotonic, sleep=wait))
        worker.send(frames.encode(frames.EVENT, b"{}"))
        assert worker.exchange(10.0) == [(frames.SAME, b"")]
        assert waits == []
        worker.send(frames.encode(frames.EVENT, b"{}") * events)
        assert worker.exchange(10.0, wanted=events) == [(frames.SAME, b"")] * events
        assert waits == [process.AT_ONCE * process.EACH]
        worker.send(frames.encode(frames.EVENT, b"{}") * events)
        assert worker.exchange(10.0, wanted=events, each=50e-6) == [(frames.SAME, b"")] * events
        worker.send(frames.encode(frames.EVENT, b"{}") * events)
        assert worker.exchange(10.0, wanted=events, each=1.0) == [(frames.SAME, b"")] * events
        assert waits[1:] == [process.AT_ONCE * 50e-6, process.LONGEST]
    finally:
        worker.close()


def unread(worker: WorkerProcess) -> int:
    """Return how many bytes of what *worker* said are still to be read."""
    count = array("i", [0])
    fcntl.ioctl(worker._out_of, termios.FIONREAD, count)
    return count[0]


def test_closing_leaves_no_process_and_no_pipe(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with running(tmp_path, SAME) as runner:
        pid = runner.pid
        assert pid in descendants(os.getpid())
    assert not Path(f"/proc/{pid}").exists()
    assert runner.pid == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_script_that_does_not_load_leaves_no_process(tmp_path: Path) -> None:
    before = descendants(os.getpid())
    for source in ("def", "def f(): return len(list(range(20000000)))\n" + SAME):
        with pytest.raises(HookLoadError), running(tmp_path, source):
            pass
    assert descendants(os.getpid()) == before


def test_the_worker_ends_with_its_parent(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tests.hooks.scripts import running
import os, signal
with running(Path({str(tmp_path)!r}), {SAME!r}) as runner:
    print(runner.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    wait_until(lambda: not is_running(pid), what="the end of the worker")
