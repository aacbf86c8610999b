"""An actor's asyncio event loop, which turns in the actor's thread while the actor waits for messages.

One thread does both: what the loop has to tell the actor, and the actor the loop, costs no switch of threads. A process
that has slept is woken once for what has come, not once for each thread that is concerned with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

OnFailure = Callable[[BaseException], None]


class Loop:
    """Runs tasks while :meth:`wait` waits; owned by one thread. *failed* is called with the error of a task."""

    def __init__(self, failed: OnFailure) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._failed = failed
        self._watched = -1
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin *work* at the next turn of the loop."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def after(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Call *action* in the loop in so many *seconds*, unless what this returns is cancelled before."""
        return self._loop.call_later(seconds, action)

    def wait(self, descriptor: int, seconds: float | None) -> None:
        """Turn until *descriptor* is readable, or *seconds* have passed (None: without a limit), and once at least."""
        if descriptor != self._watched:
            self._watch(descriptor)
        timer = None if seconds is None else self._loop.call_later(seconds, self._loop.stop)
        self._loop.run_forever()
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Cancel what runs, and close the loop."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _watch(self, descriptor: int) -> None:
        if self._watched >= 0:
            self._loop.remove_reader(self._watched)
        self._loop.add_reader(descriptor, self._loop.stop)
        self._watched = descriptor

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
