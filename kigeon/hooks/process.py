"""A hook's worker as its parent sees it: a child process, its pipes, and its processor time."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from kigeon.hooks.frames import Decoder

_WORKER = Path(__file__).with_name("worker.py")
_CHUNK = 256 * 1024

_HELD = 1024 * 1024
"""Bytes that the pipe to a worker is to hold: hundreds of events, written at once."""

EACH = 5e-6
"""Seconds that are given to each further frame that is waited for, at the least: less than the shortest call takes."""

AT_ONCE = 200
"""Frames that are waited for at once, at the most: the pipe from a worker is to have room for them."""

LONGEST = 0.02
"""Seconds that are given to all of them at once, at the most."""


class WorkerEnded(Exception):
    """The worker closed its pipe: it died, or was killed."""


class WorkerProcess:
    """One child process. No method waits for ever; call :meth:`exchange` until all expected frames have come.

    The kernel ends it with the thread that made it (``PR_SET_PDEATHSIG``): make it in a thread that stays.
    """

    def __init__(self) -> None:
        found = importlib.util.find_spec("starlark")
        site = Path(found.origin).parent.parent if found and found.origin else Path()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", _WORKER, site, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"RUST_BACKTRACE": "0"},
            cwd="/",
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None, "both are pipes"  # noqa: PT018, S101
        self._into, self._out_of = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._into, False)
        with suppress(OSError):
            # A user may have only so much in pipes.
            fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, _HELD)
        os.set_blocking(self._out_of, False)
        self._unsent = b""
        self._decoder = Decoder()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the worker is known to have ended."""
        return self._process.poll() is not None

    def send(self, data: bytes) -> None:
        """Queue *data*; the following exchanges write it."""
        self._unsent += data

    def exchange(self, seconds: float, wanted: int = 1, each: float = EACH) -> list[tuple[bytes, bytes]]:
        """Write what can be written, and return the frames that come within *seconds*; none, when none comes.

        Where several are *wanted*, the next ones are given a moment to come too: *each* seconds for each.

        Raises :class:`WorkerEnded`, or :class:`~kigeon.hooks.frames.BrokenStream`.
        """
        deadline = time.monotonic() + seconds
        while True:
            writing = [self._into] if self._unsent else []
            left = max(deadline - time.monotonic(), 0.0)
            readable, writable, _ = select.select([self._out_of], writing, [], left)
            if writable:
                self._write()
            if readable:
                if wanted > 1:
                    # A look for each of them costs as much as the call, on both sides.
                    time.sleep(min(min(wanted, AT_ONCE) * max(each, EACH), LONGEST))
                data = os.read(self._out_of, _CHUNK)
                if not data:
                    raise WorkerEnded(self._how_it_ended())
                frames = self._decoder.feed(data)
                if frames:
                    return frames
            if time.monotonic() >= deadline:
                return []

    def processor_seconds(self) -> float:
        """Return the processor time that the worker has used; infinity when the worker is gone."""
        try:
            # The id of another process's processor clock, as clock_getcpuclockid(3) computes it.
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:
            return float("inf")

    def close(self) -> None:
        """Kill the worker and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._into, self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The worker is gone, but its last frames are still to be read; the end of the pipe reports its end.
            self._unsent = b""

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the worker closed its pipe"
        return f"the worker was ended by signal {-code}" if code < 0 else f"the worker ended with status {code}"
