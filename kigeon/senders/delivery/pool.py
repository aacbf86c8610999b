"""The threads of pushes: destinations that hang take no threads from destinations that answer.

An origin (scheme, host and port) that answers has a few pushes under way at once. An origin that is new, or gave no
answer to the last push, gets one push at a time, the probe; other pushes there wait for the probe's answer and share
it. So the number of connections to an origin is bounded, however many tenants it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from kigeon.senders.delivery.sink import Begun
from kigeon.senders.entry import Answer

SIDE_BY_SIDE = 4
"""Pushes to one origin under way at once."""

THREADS = 128
"""Threads for origins that answer, and as many again for the others."""

MAX_ORIGINS = 4096


class Origin:
    """What is known of one origin."""

    def __init__(self) -> None:
        self.answers = False
        self.slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self.probe: asyncio.Future[Answer | None] | None = None


class PushPool:
    """Runs pushes. Owned by one event loop; :meth:`close` ends the threads."""

    def __init__(self) -> None:
        self._answering = ThreadPoolExecutor(THREADS, "push")
        self._silent = ThreadPoolExecutor(THREADS, "probe")
        self._origins: dict[str, Origin] = {}

    async def run(
        self, origin_name: str, push: Callable[[], Answer], begin: Callable[[], Begun | None] = lambda: None
    ) -> Answer:
        """Return what *push*, which blocks, returns; or the answer of another push, the probe of a silent origin.

        Where *begin* can begin the push without waiting, no thread is woken, unless its answer has to be waited for.
        """
        origin = self._origin(origin_name)
        while True:
            if origin.answers:
                async with origin.slots:
                    if origin.answers:
                        return await self._ask(origin, self._answering, push, begin())
            elif origin.probe is None:
                return await self._find_out(origin, push)
            else:
                answer = await asyncio.shield(origin.probe)
                if answer is not None and not answer.answered:
                    return answer

    def close(self) -> None:
        """End the threads, without waiting for pushes that are under way."""
        for threads in (self._answering, self._silent):
            threads.shutdown(wait=False, cancel_futures=True)

    def _origin(self, name: str) -> Origin:
        origin = self._origins.get(name)
        if origin is None:
            if len(self._origins) >= MAX_ORIGINS:
                self._origins = {known: found for known, found in self._origins.items() if found.probe is not None}
            origin = self._origins[name] = Origin()
        return origin

    async def _find_out(self, origin: Origin, push: Callable[[], Answer]) -> Answer:
        probe = origin.probe = asyncio.get_running_loop().create_future()
        answer: Answer | None = None
        try:
            answer = await self._ask(origin, self._silent, push)
            return answer
        finally:
            origin.probe = None
            probe.set_result(answer)

    @staticmethod
    async def _ask(origin: Origin, threads: Executor, push: Callable[[], Answer], begun: Begun | None = None) -> Answer:
        if begun is not None:
            await begun.arrival()
            push = begun.finish
        if begun is not None and begun.is_at_hand:
            answer = push()
        else:
            answer = await asyncio.get_running_loop().run_in_executor(threads, push)
        origin.answers = answer.answered
        return answer
