"""Prepares events in a thread, unless the thread costs more than the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from kigeon.senders.engine.spec import SenderSpec
from kigeon.senders.steps import Prepared

FEW = 64
"""Events that are prepared without a thread where nothing has to wait: they take less time than two thread switches."""


class Preparing:
    """Prepares one batch at a time; owned by one event loop. :meth:`close` ends the thread."""

    def __init__(self, spec: SenderSpec) -> None:
        self._spec = spec
        self._thread = ThreadPoolExecutor(1, "prepare")
        self._threaded = 0

    async def run(self, raw: Sequence[bytes]) -> list[Prepared]:
        """Return what is to be done with each of the *raw* events, in order."""
        if not self._threaded and not self._spec.may_wait and len(raw) <= FEW:
            return self._spec.prepare(raw)
        self._threaded += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._spec.prepare, raw)
        finally:
            self._threaded -= 1

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
