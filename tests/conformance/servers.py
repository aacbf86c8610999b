"""A process that serves, on loopback, and ends with the test that started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.support.processes import end_with, wait_until


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A context manager; ``is_ready`` says whether it answers. It may be killed and started again under way."""

    def __init__(self, command: list[str | Path], log: Path, is_ready: Callable[[], bool]) -> None:
        self._command = [str(part) for part in command]
        self._log = log
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self, patience: float = 120.0) -> None:
        """Start it, and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with(os.getpid())
            )
        try:
            wait_until(self._answers, patience, f"an answer of {self._command[0]}, its log is {self._log}")
        except TimeoutError as error:
            self.end(signal.SIGKILL)
            raise TimeoutError(f"{error}: {self._log.read_text('utf-8', 'replace')[-2000:]}") from error

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, and return when it has ended."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise TimeoutError(f"it ended with {self._process.returncode}")
        return self._is_ready()
