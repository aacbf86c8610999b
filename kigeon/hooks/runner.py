"""Runs a hook in a worker: passes events to it, enforces the time limit, and replaces a lost worker.

A worker that dies or is killed costs only the event that it worked on; the rest of the batch goes to its successor.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from kigeon.config.settings import HookSettings
from kigeon.errors import (
    HookCrashed,
    HookError,
    HookLoadError,
    HookTimeout,
    HookUnavailable,
)
from kigeon.hooks import frames
from kigeon.hooks.process import WorkerEnded, WorkerProcess
from kigeon.hooks.results import Failed, Result, encode, message_of, result_of
from kigeon.redaction import hide, secrets_in

log = logging.getLogger(__name__)

LOAD_SECONDS = 10.0
"""Limit for loading a script, both in processor time and on the clock."""

CEILING = 10.0
"""Wall-clock limit of a call, in multiples of hook.timeout, plus a second: the machine may give it no processor."""

PATIENCE = 1 / 3
"""The part of the time that the results of a batch took so far for which the others are left alone.

To look for each on its own costs 50 µs. The worker is never waited for longer than it takes, unless events that are
cheap come behind expensive ones.
"""

RESPAWN_DELAYS = (0.0, 0.0, 0.1, 0.5, 2.0, 10.0)
"""Seconds before the first, second, … respawn in a row; meanwhile events fail, they do not wait."""


@dataclass(slots=True)
class HookCounts:
    """What a runner has done so far; ``errors`` by the name of their class, ``kills`` because the time was up.

    ``seconds`` is how long its calls took, on the clock. ``used`` is the processor time that the worker took for
    ``measured`` of them: those that ended with the worker that they began with.
    """

    calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    respawns: int = 0
    seconds: float = 0.0
    measured: int = 0
    used: float = 0.0


class HookRunner:
    """One script with one configuration. ``config`` is what ``transform`` is given.

    Not thread-safe, and to be used from threads that outlive it: a worker ends with the thread that started it.
    """

    def __init__(self, hook: HookSettings, config: Mapping[str, Any]) -> None:
        self._hook = hook
        self._config = orjson.dumps(dict(config)).decode()
        # A script may print its config, or fail with it.
        self._secrets = tuple(sorted(secrets_in(config), key=len, reverse=True))
        self._worker: WorkerProcess | None = None
        self._lost_in_a_row = 0
        self._respawn_at = 0.0
        self._source = ""
        self._next: str | None = None
        self.counts = HookCounts()

    @property
    def pid(self) -> int:
        """The worker's process id; 0 while there is none."""
        # Other threads ask, too.
        worker = self._worker
        return worker.pid if worker else 0

    @property
    def source(self) -> str:
        """The text of the script that is in use."""
        return self._source

    def start(self, source: str | None = None) -> None:
        """Load *source*, or the script's file; :class:`HookLoadError` says what is wrong and where."""
        self._source = read_script(self._hook.script) if source is None else source
        self._next = None
        self._spawn()

    def replace(self, source: str) -> None:
        """Use *source*, which must be loadable, from the next events on. Any thread may call this."""
        self._next = source

    def transform(self, events: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Return exactly one result for each event, in order; raises nothing that a script can cause."""
        began = time.monotonic()
        encoded = [encode(event) for event in events]
        asked = [index for index, frame in enumerate(encoded) if isinstance(frame, bytes)]
        answers = iter(self._ask([events[index] for index in asked], [f for f in encoded if isinstance(f, bytes)]))
        results = [frame if isinstance(frame, Failed) else next(answers) for frame in encoded]
        self.counts.seconds += time.monotonic() - began
        self.counts.calls += len(results)
        self.counts.errors.update(type(result.error).__name__ for result in results if isinstance(result, Failed))
        return results

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _ask(self, events: list[Mapping[str, Any]], encoded: list[bytes]) -> list[Result]:
        results: list[Result] = []
        while len(results) < len(events):
            worker = self._living_worker()
            if worker is None:
                results.append(Failed(HookUnavailable("there is no worker: it was lost again and again")))
                continue
            worker.send(b"".join(encoded[len(results) :]))
            begun_at, began, each = len(results), time.monotonic(), 0.0
            used_before = used = worker.processor_seconds()
            try:
                while len(results) < len(events):
                    used = self._take(worker, events, results, each * PATIENCE, used)
                    each = (time.monotonic() - began) / (len(results) - begun_at)
                self._measure(len(results) - begun_at, used - used_before)
            except HookError as error:
                results.append(Failed(error))
                self._lose()
        return results

    def _measure(self, events: int, seconds: float) -> None:
        if math.isfinite(seconds):
            self.counts.measured += events
            self.counts.used += seconds

    def _take(
        self, worker: WorkerProcess, events: list[Mapping[str, Any]], results: list[Result], each: float, used: float
    ) -> float:
        """Add at least one of the worker's next results, and give others *each* seconds to come, for each.

        *used* is the processor time that the worker has used so far; what it has used afterwards is returned.
        Raises :class:`HookTimeout` when the worker's time is up.
        """
        due = len(results)
        began, now_used = time.monotonic(), used
        over = False
        while len(results) == due:
            try:
                came = worker.exchange(0.0 if over else self._hook.timeout / 2 + 0.01, len(events) - due, each)
            except (WorkerEnded, frames.BrokenStream) as error:
                raise HookCrashed(str(error)) from error
            for kind, payload in came:
                if kind == frames.PRINTED:
                    _log_print(events[len(results)], self._told(payload))
                elif kind in (frames.FAILED, frames.INVALID):
                    results.append(result_of(kind, self._told(payload)))
                else:
                    results.append(result_of(kind, payload))
            if over and len(results) == due:
                self.counts.kills += 1
                raise HookTimeout(f"transform did not return within {self._hook.timeout:g} s, its worker was killed")
            # Read once more before the kill: if this process got no processor time, the result may be there already.
            now_used = worker.processor_seconds()
            over = self._is_over(now_used - used, time.monotonic() - began)
        return now_used

    def _told(self, payload: bytes) -> bytes:
        return hide(payload.decode("utf-8", "replace"), self._secrets).encode()

    def _is_over(self, used: float, passed: float) -> bool:
        """Return whether the call takes too long. The worker stops most scripts itself; this is for the others."""
        timeout = self._hook.timeout
        return used > timeout * 1.5 + 0.05 or passed > timeout * CEILING + 1.0

    def _living_worker(self) -> WorkerProcess | None:
        if (changed := self._next) is not None:
            self._next, self._source = None, changed
            self._lost_in_a_row, self._respawn_at = 0, 0.0
            self.close()
        if self._worker is not None and self._worker.has_ended:
            # The worker had no event, so no event fails.
            log.warning("the hook's worker has ended, it is replaced", extra={"pid": self._worker.pid})
            self._lose()
        if self._worker is None and time.monotonic() >= self._respawn_at:
            self.counts.respawns += 1
            try:
                self._spawn()
            except HookError as error:
                log.error("the hook's worker does not start again", extra={"error": str(error)})
                self._lose()
        return self._worker

    def _lose(self) -> None:
        self.close()
        delay = RESPAWN_DELAYS[min(self._lost_in_a_row, len(RESPAWN_DELAYS) - 1)]
        self._lost_in_a_row += 1
        self._respawn_at = time.monotonic() + delay

    def _spawn(self) -> None:
        try:
            worker = WorkerProcess()
        except OSError as error:
            raise HookLoadError(f"{self._hook.script}: its worker can't be started: {error}") from error
        order = {
            "name": self._hook.script.name,
            "source": self._source,
            "config": self._config,
            "timeout": self._hook.timeout,
        }
        worker.send(frames.encode(frames.LOAD, orjson.dumps(order)))
        try:
            kind, payload = self._loaded(worker)
        except (WorkerEnded, frames.BrokenStream) as error:
            worker.close()
            raise HookLoadError(f"{self._hook.script}: loading it crashed its worker: {error}") from error
        if kind != frames.READY:
            worker.close()
            raise HookLoadError(f"{self._hook.script}: {message_of(payload, self._source)}")
        self._worker = worker
        self._lost_in_a_row = 0

    def _loaded(self, worker: WorkerProcess) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            for kind, payload in worker.exchange(0.1):
                if kind != frames.PRINTED:
                    return kind, payload
        return frames.UNLOADABLE, f"it did not load within {LOAD_SECONDS:g} s".encode()


def read_script(path: Path) -> str:
    """Return the text of a script; :class:`HookLoadError` where it can't be read."""
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HookLoadError(f"{path}: it can't be read: {error}") from error


def check_script(hook: HookSettings) -> None:
    """Try to load a script; :class:`HookLoadError` when it can't be loaded."""
    runner = HookRunner(hook, {})
    try:
        runner.start()
    finally:
        runner.close()


def _log_print(event: Mapping[str, Any], payload: bytes) -> None:
    metadata = event.get("metadata")
    uid = str(metadata.get("uid", "")) if isinstance(metadata, dict) else ""
    log.debug("the hook printed", extra={"uid": uid, "text": payload.decode("utf-8", "replace")})
