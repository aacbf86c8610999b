"""``kigeon move`` as its user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.support.processes import end_with

ROOT = Path(__file__).parents[2]


class Moving:
    """A configuration in a folder whose queue is moved between *data* and the JetStream of the section *queue*."""

    def __init__(
        self, folder: Path, data: Path, queue: Mapping[str, Any], senders: tuple[str, ...] = ("loki",)
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.data = data
        self.queue = dict(queue)
        self._senders = [{"name": name, "type": "stdout"} for name in senders]

    def command(self, to: str, *more: str) -> list[str]:
        """Return the command line; the configuration is written as it is now."""
        config = self.folder / "move.yaml"
        document = {"global": {"dataDir": str(self.data)}, "queue": self.queue, "eventsenders": self._senders}
        config.write_text(yaml.safe_dump(document))
        return [sys.executable, "-P", "-m", "kigeon", "move", "--config", str(config), "--to", to, *more]

    def run(self, to: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run it until it ends."""
        command, environ = self.command(to, *more), {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=False)

    def done(self, to: str, *more: str) -> dict[str, Any]:
        """Return what it prints as JSON when it has ended well."""
        done = self.run(to, "--json", *more)
        assert done.returncode == 0, done.stderr[-3000:]
        told: dict[str, Any] = orjson.loads(done.stdout)
        return told

    def refusal(self, to: str, *more: str, status: int = 1) -> str:
        """Return why it refuses."""
        done = self.run(to, *more)
        assert (done.returncode, done.stdout) == (status, ""), done
        return "\n".join(line for line in done.stderr.splitlines() if not line.startswith("{"))

    def killed(self, to: str, when: Callable[[str], bool]) -> bool:
        """Kill it, its nats-server with it, as soon as *when* says so of a line of its log; return whether it did."""
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            self.command(to),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
            preexec_fn=end_with(os.getpid()),
        ) as process:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if when(line):
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    return True
            assert process.wait() == 0, said[-3000:]
        return False


def held(told: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return what the streams hold by what was told: messages, first and last sequence."""
    return {name: (same["messages"], same["first"], same["last"]) for name, same in told["streams"].items()}
