"""A runner in a thread of its own, since a worker ends with the thread that started it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from kigeon.errors import HookLoadError
from kigeon.hooks.runner import HookRunner
from kigeon.threads import ContextThread

log = logging.getLogger(__name__)

KEPT = 60.0
"""Seconds for which a worker is kept that is not needed: it takes 11 MiB."""

AGAIN = 10.0
"""Seconds after which a worker is tried again that could not be started."""

Work = Callable[[HookRunner], bool]


class RunnerThread:
    """Begins *runner* when it is told to, has it work when it is asked to, ends it after *kept* seconds without work.

    One thread owns this; any may ask for the process id.
    """

    def __init__(self, runner: HookRunner, kept: float = KEPT) -> None:
        self.runner = runner
        self._kept = kept
        self._asked: SimpleQueue[tuple[Work, Future[bool]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._takes = False
        self._thread: threading.Thread | None = None
        self._again_at = -math.inf

    def begin(self, source: str) -> bool:
        """Have the runner started with *source*, without waiting for it, if it is not and did not fail lately.

        Return whether it can be asked to work.
        """
        if (self._thread is None or not self._thread.is_alive()) and time.monotonic() >= self._again_at:
            thread = ContextThread(self._run, (source,), "hook")
            try:
                thread.start()
                self._thread = thread
            except RuntimeError as error:
                # There are as many threads as there may be.
                self._failed(error)
        return self._takes

    def ask(self, work: Work) -> Future[bool] | None:
        """Have the thread do *work*; None where there is no worker (yet, or any more)."""
        with self._lock:
            if not self._takes:
                return None
            future: Future[bool] = Future()
            self._asked.put((work, future))
            return future

    def close(self) -> None:
        """End the worker, also one that is just being started."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()

    def _run(self, source: str) -> None:
        try:
            self.runner.start(source)
            self._takes = True
            while (asked := self._next()) is not None:
                _do(*asked, self.runner)
        except HookLoadError as error:
            self._failed(error)
        finally:
            self._takes = False
            self.runner.close()

    def _failed(self, error: Exception) -> None:
        self._again_at = time.monotonic() + AGAIN
        log.warning("another worker for the hook does not start, those that run go on", extra={"error": str(error)})

    def _next(self) -> tuple[Work, Future[bool]] | None:
        try:
            return self._asked.get(timeout=self._kept)
        except Empty:
            with self._lock:
                # What was asked for in the meantime is done first.
                self._takes = not self._asked.empty()
            return self._asked.get() if self._takes else None


def _do(work: Work, future: Future[bool], runner: HookRunner) -> None:
    try:
        future.set_result(work(runner))
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
