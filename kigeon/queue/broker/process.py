"""Runs the embedded nats-server as a child process on loopback, with a random token and fsync before every ack.

nats-server does not lock its store, and two servers on one store lose each other's messages. So kigeon locks the data
directory, and the server inherits the lock, which is free only when both kigeon and its server are gone.
"""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson

from kigeon.errors import StartError, shorten
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.binary import find_binary
from kigeon.queue.broker.lock import DirectoryLock, unusable
from kigeon.queue.broker.recovery import Recovery, Work, work_of

log = logging.getLogger(__name__)

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes of the largest message, more than the largest envelope that can be written."""

TIMER_SLACK = 2_000_000
"""Nanoseconds by which the server's timers may be late, since Go's runtime would wake every 20 µs after each event."""

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
_LIBC = ctypes.CDLL(None)

_CONFIGURATION = """\
listen: "127.0.0.1:{port}"
server_name: "kigeon"
authorization {{ token: $KIGEON_NATS_TOKEN }}
max_payload: {max_payload}
ports_file_dir: "{ports}"
jetstream {{
  store_dir: "{store}"
  max_memory_store: 16777216
  max_file_store: {max_file_store}
  sync_interval: {sync}
}}
"""


class NatsServer:
    """The server of one data directory, a context manager within which the directory is locked.

    ``max_file_store`` is in bytes. The methods raise :class:`StartError` with the place and the cure.
    """

    def __init__(self, data_dir: Path, max_file_store: int) -> None:
        self.data_dir = data_dir
        self._max_file_store = max_file_store
        self.syncs = True
        """Whether it syncs before it acknowledges; who has it not do so syncs the store when it has ended."""
        self._lock = DirectoryLock(data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._recovery: Recovery | None = None
        self._port = -1
        # The server parses the token as a value of its configuration, and takes one that begins with a letter as text.
        self.token = "k" + secrets.token_hex(32)
        self.restarts = 0

    @property
    def url(self) -> str:
        """The URL to which clients connect, which stays the same when the server is restarted."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def address(self) -> QueueAddress:
        """The address to which clients connect, with the token."""
        return QueueAddress(self.url, self.token)

    @property
    def port(self) -> int:
        """The server's port on loopback."""
        return self._port

    @property
    def pid(self) -> int:
        """The server's process id; 0 while the server does not run."""
        return self._process.pid if self._process else 0

    def __enter__(self) -> Self:
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._lock.__exit__(kind, error, trace)

    def start(self) -> None:
        """Start the server; return when it takes connections, however long it takes to recover its store."""
        self.launch()
        while not self.look():
            time.sleep(0.005)

    def launch(self) -> None:
        """Start the server; :meth:`look` tells when it takes connections."""
        run = self.data_dir / "run"
        binary = find_binary()
        try:
            run.mkdir(exist_ok=True)
            for stale in run.glob("*.ports"):
                stale.unlink()
            configuration = self._write_configuration(run)
            output = self._output.open("wb")
        except OSError as error:
            raise unusable(self.data_dir, error) from error
        with output:
            self._process = subprocess.Popen(
                [binary, "-c", configuration.resolve()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"KIGEON_NATS_TOKEN": self.token, "GOMEMLIMIT": "64MiB", "GOMAXPROCS": "1", "PATH": os.defpath},
                cwd="/",
                pass_fds=[self._lock.descriptor] if self._lock.descriptor is not None else [],
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        self._recovery = Recovery(time.monotonic())

    def look(self) -> bool:
        """Return whether the server takes connections; to be called again and again until it does.

        Stops a server that ended instead, or makes no progress for too long, and raises :class:`StartError`.
        """
        recovery = self._recovery
        if recovery is None:
            return self.is_running
        if not self.is_running:
            raise self._failed("it ended")
        # A restarted server listens at the same port, but writes the ports file again only where its disk has room.
        port = _read_port(self.data_dir / "run") or max(self._port, 0)
        if port and _takes_connections(port):
            self._recovery, self._port = None, port
            took = round(recovery.seconds(time.monotonic()), 3)
            log.info("nats-server started", extra={"pid": self.pid, "port": port, "seconds": took})
            return True
        self._judge(recovery, work_of(self.pid, self._output))
        return False

    @property
    def is_starting(self) -> bool:
        """Whether the server was launched and does not take connections yet; it may have ended meanwhile."""
        return self._recovery is not None

    @property
    def is_ready(self) -> bool:
        """Whether the server's process runs and has taken connections."""
        return self.is_running and not self.is_starting

    @property
    def is_running(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        """Replace the server on the same port; return when the new one takes connections."""
        self.relaunch()
        while not self.look():
            time.sleep(0.005)

    def relaunch(self) -> None:
        """Replace the server on the same port; clients connect again by themselves once :meth:`look` returns True."""
        self.stop()
        self.restarts += 1
        self.launch()

    def stop(self, patience: float = 5.0) -> None:
        """End the server, by SIGTERM and, after *patience* seconds, by SIGKILL."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process, self._recovery = None, None

    def _write_configuration(self, run: Path) -> Path:
        path = run / "nats-server.conf"
        path.touch(mode=0o600)
        path.write_text(
            _CONFIGURATION.format(
                port=self._port,
                max_payload=MAX_PAYLOAD,
                ports=run.resolve(),
                store=(self.data_dir / "jetstream").resolve(),
                max_file_store=self._max_file_store,
                sync="always" if self.syncs else "2m",
            )
        )
        return path

    @property
    def _output(self) -> Path:
        return self.data_dir / "run" / "nats-server.log"

    def _judge(self, recovery: Recovery, work: Work) -> None:
        """Log now and then that the recovery takes long; raise :class:`StartError` when it makes no progress."""
        now = time.monotonic()
        if recovery.is_stuck(now, work):
            raise self._failed(f"it has done nothing for a while, after {recovery.seconds(now):.0f} s")
        if recovery.is_worth_a_word(now):
            log.warning(
                "nats-server still recovers its store",
                extra={
                    "pid": self.pid,
                    "seconds": round(recovery.seconds(now)),
                    "processorSeconds": round(work.processor, 1),
                    "bytes": work.moved,
                },
            )

    def _failed(self, how: str) -> StartError:
        # The server logs a page about itself, and in its last line why it ended.
        said = shorten(b"\n".join(self._output.read_bytes()[-1000:].splitlines()[-1:]))
        self.stop()
        return StartError(f"nats-server did not start in {self.data_dir}: {how}; it said: {said or 'nothing'}")


def _die_with_parent() -> Callable[[], None]:
    """Return a function for the child, which makes it end with its parent and lets its timers be late."""
    parent = os.getpid()

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _LIBC.prctl(_PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _read_port(run: Path) -> int:
    for path in run.glob("*.ports"):
        try:
            return urlsplit(orjson.loads(path.read_bytes())["nats"][0]).port or 0
        except (OSError, ValueError, KeyError, IndexError):
            continue  # The server is still writing the file.
    return 0


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
