"""What is quickly done is done where it is asked for; what may wait, or takes long, is done in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from kigeon.senders.engine.preparing import FEW, Preparing
from kigeon.senders.engine.spec import SenderSpec
from kigeon.senders.steps import Prepared


class Noting:
    """Prepares nothing, and notes in which threads; the first call waits until it is let go."""

    def __init__(self, waits: bool = False) -> None:
        self.threads: list[int] = []
        self.let_go = threading.Event()
        if not waits:
            self.let_go.set()

    def __call__(self, raw: Sequence[bytes]) -> list[Prepared]:
        self.threads.append(threading.get_ident())
        assert self.let_go.wait(20)
        return []


def preparing(prepare: Noting, may_wait: bool) -> Preparing:
    sink: Any = None
    return Preparing(SenderSpec(sink, prepare, False, 3600.0, may_wait))


@pytest.mark.parametrize(
    ("events", "may_wait", "is_here"), [(1, False, True), (FEW, False, True), (FEW + 1, False, False), (1, True, False)]
)
def test_where_it_is_done(events: int, may_wait: bool, is_here: bool) -> None:
    prepare = Noting()
    where = preparing(prepare, may_wait)
    asyncio.run(where.run([b"{}"] * events))
    where.close()
    assert (prepare.threads == [threading.get_ident()]) == is_here


def test_a_batch_never_overtakes_one_that_is_in_the_thread() -> None:
    prepare = Noting(waits=True)
    where = preparing(prepare, may_wait=False)

    async def two() -> None:
        first = asyncio.ensure_future(where.run([b"{}"] * (FEW + 1)))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(where.run([b"{}"]))
        await asyncio.sleep(0)
        assert not first.done()
        prepare.let_go.set()
        await asyncio.gather(first, second)
        await where.run([b"{}"])

    asyncio.run(two())
    where.close()
    here = threading.get_ident()
    assert [thread == here for thread in prepare.threads] == [False, False, True]
