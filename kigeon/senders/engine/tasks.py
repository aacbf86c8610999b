"""The tasks of a sender, which end together when the first one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Tasks that run side by side in one event loop; more may be started at any time."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self.is_closing = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* as a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def run(self, *works: Coroutine[Any, Any, None]) -> None:
        """Run *works* until this is cancelled, or a task fails: then raise its error, and cancel the others.

        The others are not waited for: a task that waits for the queue may not notice that it is cancelled.
        """
        self._failed = asyncio.get_running_loop().create_future()
        for work in works:
            self.start(work)
        try:
            await self._failed
        finally:
            self.is_closing = True
            for task in list(self._tasks):
                task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)
