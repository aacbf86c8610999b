"""``kigeon demo`` runs the real actors and a real queue between a stand-in API server and standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.messages import Status
from actors.spec import RunSpec, children_of
from actors.system import run
from kigeon.cli.demo_screen import ACCOUNTS, LISTEN
from kigeon.config.settings import GlobalSettings, HttpSettings, SenderSettings, Settings
from kigeon.errors import StartError
from kigeon.kube.source import ClusterSource
from kigeon.observability.logs import configure
from kigeon.processes import die_with_parent

SENDER = "sender/demo"
ARRIVAL_TIMEOUT = 10.0
"""Seconds for the last events to arrive after the story has been told."""


def run_demo(events: int, rate: float) -> int:
    """Play *events* events at *rate* a second, send them to standard output, close with the accounts."""
    configure("warn", "text", context={"actor": "root"})
    with tempfile.TemporaryDirectory(prefix="kigeon-demo-") as name:
        folder = Path(name)
        server = _start_api_server(folder / "kubeconfig", events, rate)
        try:
            return _run(folder, Story(server, ScreenOutside(os.environ)))
        finally:
            # The server serves until its standard input ends.
            server.communicate()


class ScreenOutside:
    """The process that shows this demo on a terminal, if there is one; it gets the accounts as they change."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._descriptor = int(environ.get(ACCOUNTS, -1))
        if self._descriptor >= 0:
            die_with_parent()
            os.set_inheritable(self._descriptor, False)

    def tell(self, children: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell what the actors reported last."""
        if self._descriptor >= 0:
            with suppress(OSError):  # Nobody looks any more.
                os.write(self._descriptor, json.dumps(counts_of(children)).encode() + b"\n")


class Story:
    """What the stand-in API server says of itself on its standard output."""

    def __init__(self, server: subprocess.Popen[bytes], screen: ScreenOutside) -> None:
        self._server = server
        self._screen = screen
        self._said = b""
        self._told_at = 0.0
        self._occurrences = 0

    def begin(self) -> None:
        """Return when the server listens; raise :class:`StartError` when the server did not start."""
        assert self._server.stdout is not None, "it is a pipe"  # noqa: S101 - for the types
        self._said = self._server.stdout.readline()
        if not self._said:
            raise StartError("the stand-in API server did not start")
        self._said = b""
        os.set_blocking(self._server.stdout.fileno(), False)

    def is_over(self, status: Status) -> bool:
        """Whether every event was told, and has arrived."""
        self._listen()
        self._screen.tell(status.children)
        if not self._told_at:
            return False
        sent = int(status.children.get(SENDER, {}).get("sent", 0))
        return sent >= self._occurrences or time.monotonic() - self._told_at > ARRIVAL_TIMEOUT

    def _listen(self) -> None:
        assert self._server.stdout is not None, "it is a pipe"  # noqa: S101 - for the types
        self._said += self._server.stdout.read() or b""
        if b"\n" in self._said and not self._told_at:
            self._told_at = time.monotonic()
            self._occurrences = json.loads(self._said)["occurrences"]


def _start_api_server(kubeconfig: Path, events: int, rate: float) -> subprocess.Popen[bytes]:
    command: list[str | Path] = [sys.executable, "-P", "-m", "kigeon.standin.process", "--kubeconfig", kubeconfig]
    options = ["--events", str(events), "--rate", str(rate)]
    return subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _run(folder: Path, story: Story) -> int:
    story.begin()
    log = GlobalSettings(folder / "data", "warn", "text")
    http = HttpSettings(os.environ.get(LISTEN, ""))
    settings = Settings((SenderSettings("demo", "stdout"),), log, http=http)
    spec = RunSpec(settings, ClusterSource(folder / "kubeconfig"), children_of(settings), story.is_over)
    code = run(spec)
    sys.stdout.write(accounts(spec) + "\n")
    sys.stdout.flush()
    return code


def accounts(spec: RunSpec) -> str:
    """Return the closing line with the counts of events that were seen, repeated and sent."""
    return ", ".join(f"{name} {count}" for name, count in counts_of(spec.last).items())


def counts_of(children: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the counts of events that were seen, repeated and sent, from the actors' reports."""
    return {
        "seen": children.get("watcher", {}).get("received", 0),
        "repeated": children.get("deduplicator", {}).get("repeated", 0),
        "sent": children.get(SENDER, {}).get("sent", 0),
    }
