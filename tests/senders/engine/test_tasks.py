"""The tasks of a sender end together."""

import asyncio

import pytest

from kigeon.senders.engine.tasks import Tasks


def test_what_one_of_them_raises_ends_the_others_and_is_told() -> None:
    ended: list[str] = []

    async def works(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def starts_one_that_fails(tasks: Tasks) -> None:
        async def fails() -> None:
            raise ValueError("it failed")

        tasks.start(fails())

    async def test() -> None:
        tasks = Tasks()
        with pytest.raises(ValueError, match="it failed"):
            await tasks.run(works("a"), works("b"), starts_one_that_fails(tasks))
        assert tasks.is_closing
        while len(ended) < 2:
            await asyncio.sleep(0)

    asyncio.run(test())
    assert sorted(ended) == ["a", "b"]


def test_it_does_not_wait_for_one_that_is_deaf() -> None:
    async def test() -> None:
        tasks = Tasks()
        released, begun = asyncio.Event(), asyncio.Event()

        async def deaf() -> None:
            begun.set()
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        running = asyncio.ensure_future(tasks.run(deaf()))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        released.set()

    asyncio.run(test())
