"""Which thread a push gets: an origin that hangs takes none from those that answer."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from kigeon.senders.delivery.pool import SIDE_BY_SIDE, PushPool
from kigeon.senders.entry import Answer, PushStatus

STORED = Answer(PushStatus.DELIVERED)
NOTHING = Answer(PushStatus.RETRY, "no answer", answered=False)


@pytest.fixture
def pool() -> Iterator[PushPool]:
    pool = PushPool()
    yield pool
    pool.close()


class Hanging:
    """A push that hangs until it is let go, and counts."""

    def __init__(self, answer: Answer = NOTHING) -> None:
        self.answering = threading.Event()
        self.lock = threading.Lock()
        self.under_way = self.most = self.pushes = 0
        self._answer = answer

    def __call__(self) -> Answer:
        with self.lock:
            self.pushes += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.answering.wait()
        with self.lock:
            self.under_way -= 1
        return self._answer


def test_many_tenants_behind_an_origin_that_hangs_take_one_thread_and_nobody_else_waits(pool: PushPool) -> None:
    hanging = Hanging()

    async def main() -> None:
        waiting = [asyncio.create_task(pool.run("http://dead", hanging)) for _ in range(64)]
        for _ in range(200):
            assert await pool.run("http://alive", lambda: STORED) is STORED
        assert (hanging.pushes, hanging.under_way) == (1, 1)
        hanging.answering.set()
        assert set(await asyncio.gather(*waiting)) == {NOTHING}
        assert hanging.pushes == 1

    asyncio.run(main())


def test_an_origin_that_answers_has_a_few_pushes_side_by_side(pool: PushPool) -> None:
    hanging = Hanging(STORED)

    async def main() -> None:
        await pool.run("http://alive", lambda: STORED)
        waiting = [asyncio.create_task(pool.run("http://alive", hanging)) for _ in range(20)]
        while hanging.under_way < SIDE_BY_SIDE:
            await asyncio.sleep(0)
        hanging.answering.set()
        assert set(await asyncio.gather(*waiting)) == {STORED}
        assert (hanging.pushes, hanging.most) == (20, SIDE_BY_SIDE)

    asyncio.run(main())


def test_one_that_gave_no_answer_is_asked_by_one_push_until_it_answers(pool: PushPool) -> None:
    async def main() -> None:
        assert await pool.run("http://one", lambda: STORED) is STORED
        assert await pool.run("http://one", lambda: NOTHING) is NOTHING
        hanging = Hanging(STORED)
        waiting = [asyncio.create_task(pool.run("http://one", hanging)) for _ in range(5)]
        while not hanging.pushes:
            await asyncio.sleep(0)
        assert hanging.pushes == 1
        hanging.answering.set()
        assert set(await asyncio.gather(*waiting)) == {STORED}
        assert hanging.pushes == 5

    asyncio.run(main())


class Beginning:
    """A push that needs no thread until its answer has to be waited for; notes which thread read the answer."""

    def __init__(self, answer: Answer, is_at_hand: bool = True) -> None:
        self.is_at_hand = is_at_hand
        self.read_by = ""
        self._answer = answer

    async def arrival(self) -> None:
        await asyncio.sleep(0)

    def finish(self) -> Answer:
        self.read_by = threading.current_thread().name
        return self._answer


def never() -> Answer:
    raise AssertionError("no thread was needed")


@pytest.mark.parametrize(("is_at_hand", "thread"), [(True, "MainThread"), (False, "push_0")])
def test_a_push_that_was_begun_wakes_a_thread_only_where_its_answer_has_to_be_waited_for(
    pool: PushPool, is_at_hand: bool, thread: str
) -> None:
    async def main() -> None:
        assert await pool.run("http://one", lambda: STORED) is STORED
        begun = Beginning(STORED, is_at_hand)
        assert await pool.run("http://one", never, lambda: begun) is STORED
        assert begun.read_by == thread

    asyncio.run(main())


def test_one_that_is_not_known_to_answer_is_asked_by_a_thread(pool: PushPool) -> None:
    async def main() -> None:
        assert await pool.run("http://one", lambda: NOTHING, never_begins) is NOTHING
        assert await pool.run("http://one", lambda: STORED, never_begins) is STORED
        assert await pool.run("http://one", never, lambda: Beginning(NOTHING)) is NOTHING
        assert await pool.run("http://one", lambda: STORED, never_begins) is STORED
        assert await pool.run("http://one", lambda: STORED, lambda: None) is STORED, "what can't be begun"

    asyncio.run(main())


def never_begins() -> None:
    raise AssertionError("it might hang")


def test_a_push_that_is_given_up_leaves_others_to_find_out(pool: PushPool) -> None:
    hanging = Hanging(STORED)

    async def main() -> None:
        first = asyncio.create_task(pool.run("http://one", hanging))
        while not hanging.pushes:
            await asyncio.sleep(0)
        second = asyncio.create_task(pool.run("http://one", lambda: STORED))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is STORED
        hanging.answering.set()

    asyncio.run(main())
