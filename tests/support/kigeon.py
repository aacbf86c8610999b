"""kigeon as its user runs it: a process with a configuration file, in a directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import yaml

from tests.support.commands import run_command
from tests.support.loki import Loki
from tests.support.processes import descendants, end_with, is_running, title, wait_until


class Api(Protocol):
    """A cluster that kigeon can be run against."""

    def write_kubeconfig(self, path: Path) -> Path: ...


class Kigeon:
    """A context manager: whatever it started has ended when it is left.

    *senders* is the list under ``eventsenders``; further sections of the configuration come by keyword.
    """

    def __init__(self, folder: Path, api: Api, senders: list[dict[str, Any]], **sections: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.api = api
        self.log_path = folder / "kigeon.log"
        self.config = folder / "config.yaml"
        self.kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        self.credentials = ["--kubeconfig", str(self.kubeconfig)]
        self.python = sys.executable
        """The interpreter, and with it the installation, that it is run by."""
        self.environ: dict[str, str] = {}
        settings = {"dataDir": str(folder / "data"), "logLevel": "debug", **sections.pop("global_", {})}
        # Two that run side by side would want the same address.
        sections = {"http": {"listen": ""}, **sections}
        self.config.write_text(yaml.safe_dump({"global": settings, "eventsenders": senders, **sections}))
        self.prepare: Callable[[], None] | None = None
        """Done in its process before it is executed."""
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[int] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill_tree()

    def start(self) -> None:
        """Start it."""
        command = [self.python, "-P", "-m", "kigeon", "start", "--config", str(self.config), *self.credentials]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
                preexec_fn=self._prepare(os.getpid()),
            )

    def _prepare(self, parent: int) -> Callable[[], None]:
        ends, prepare = end_with(parent), self.prepare

        def do() -> None:
            ends()
            if prepare is not None:
                prepare()

        return do

    @property
    def has_ended(self) -> bool:
        """Whether its root has ended, or was ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The root's process id."""
        assert self._process is not None
        return self._process.pid

    def tree(self) -> list[int]:
        """Return the root and every process below it."""
        pids = [self.pid, *descendants(self.pid)]
        self._seen.update(pids)
        return pids

    def kill_tree(self) -> None:
        """Kill every process at once, as a machine that loses its power does."""
        if self._process is None:
            return
        # Stopped first, none of them can react to the end of another.
        pids = self.tree()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                _signal(pid, number)
        self._process.wait()
        self._process = None
        wait_until(lambda: not any(is_running(pid) for pid in self._seen), what="the end of every process")

    def kill_root(self) -> None:
        """Kill the root alone; everything else is to end by itself."""
        self.tree()
        _signal(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None
        wait_until(lambda: not any(is_running(pid) for pid in self._seen), what="the end of every process")

    def stop(self, timeout: float = 20.0) -> int:
        """Stop it as a user does; return the exit status."""
        assert self._process is not None
        self.tree()
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout)
        self._process = None
        return status

    def ask(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """Return what a command that asks a running kigeon prints as JSON; it must end with *status*.

        One that is starting is asked again.
        """
        command = [*arguments, "--config", str(self.config), "--json"]

        def answered() -> subprocess.CompletedProcess[str] | Literal[False]:
            done = self._run_command(command) if self.environ else run_command(*command)
            return "no kigeon runs" not in done.stderr and done

        done = wait_until(answered, what="an answer")
        assert done
        assert done.returncode == status, done
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _run_command(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command as its user does, with an environment of its own."""
        command = [sys.executable, "-P", "-m", "kigeon", *arguments]
        environ = {**os.environ, **self.environ}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)

    def wait(self, timeout: float = 20.0) -> int:
        """Return the exit status of one that ends by itself."""
        assert self._process is not None
        status = self._process.wait(timeout)
        self._process = None
        return status

    def log(self) -> list[dict[str, Any]]:
        """Return what it logged so far; the last line may be there in half."""
        *lines, _ = self.log_path.read_text().split("\n")
        return [json.loads(line) for line in lines if line.startswith("{")]

    def actor(self, name: str) -> int:
        """Return the process id of an actor that has started and is alive."""

        def find() -> int:
            pids = [line["pid"] for line in self.log() if line["message"] == "started" and line.get("actor") == name]
            return pids[-1] if pids and is_running(pids[-1]) else 0

        return wait_until(find, what=f"a running {name}")

    def process(self, part: str) -> int:
        """Return the process id of one whose command line contains *part*."""
        return wait_until(
            lambda: next((pid for pid in self.tree()[1:] if part in title(pid)), 0), what=f"a process {part}"
        )


def loki_sender(loki: Loki, name: str = "loki", **more: Any) -> dict[str, Any]:
    """Return a sender to *loki*; further keys of its config come by keyword, ``filter`` for the sender."""
    sender: dict[str, Any] = {
        "name": name,
        "type": "loki",
        "config": {"url": loki.url, "streamLabels": {"app": "kigeon"}, **more},
    }
    if "filter" in more:
        sender["filter"] = sender["config"].pop("filter")
    return sender


def accounts(kigeon: Kigeon, actor: str = "sender/loki") -> dict[str, int]:
    """Return what an actor reported last, an empty dict before it did; kigeon logs at debug."""
    status = [line for line in kigeon.log() if line["message"] == "status"]
    return status[-1]["children"][actor] if status else {}


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
