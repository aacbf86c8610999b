"""A loop that is asked for signs of life."""

import threading
import time

from actors.base import Loop
from tests.support.processes import wait_until


def test_a_loop_that_turns_owes_nothing() -> None:
    loop = Loop()
    assert loop.ask() == 0
    # The first answer clears the debt, and the next question is a new one.
    wait_until(lambda: loop.ask() == 0, what="an answer")


def test_a_loop_that_hangs_owes_its_answer_for_ever_longer() -> None:
    loop, goes_on = Loop(), threading.Event()

    async def hang() -> None:
        goes_on.wait(20)

    loop.spawn(hang())
    loop.ask()
    asked = time.monotonic()
    owed = wait_until(lambda: loop.ask() > 0.05, what="a debt")
    assert owed
    assert loop.ask() <= time.monotonic() - asked + 0.05
    goes_on.set()
    wait_until(lambda: loop.ask() == 0, what="an answer")
