"""A loop that turns in its owner's thread while the owner waits."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from actors.loop import Loop

LONG = 20.0
"""Seconds that no test waits for."""


class Driven:
    """A loop, the errors of its tasks, and a descriptor that is made readable by :meth:`message`."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.loop = Loop(self.errors.append)
        self._sends, self._receives = socket.socketpair()

    def message(self) -> None:
        """Let a message come."""
        self._sends.send(b"\0")

    def wait(self, seconds: float | None) -> bool:
        """Wait for a message; return whether one is there, and take it."""
        self.loop.wait(self._receives.fileno(), seconds)
        self._receives.setblocking(False)
        try:
            return bool(self._receives.recv(1))
        except BlockingIOError:
            return False

    def another_descriptor(self) -> None:
        """Wait for another descriptor from now on; the former one is closed."""
        self._sends.close()
        self._receives.close()
        self._sends, self._receives = socket.socketpair()

    def close(self) -> None:
        """Close it all."""
        self.loop.close()
        self._sends.close()
        self._receives.close()


@pytest.fixture
def driven() -> Iterator[Driven]:
    made = Driven()
    yield made
    made.close()


def test_a_wait_ends_when_a_message_comes(driven: Driven) -> None:
    began = time.monotonic()
    threading.Timer(0.01, driven.message).start()
    assert driven.wait(None)
    assert time.monotonic() - began < LONG


def test_a_message_that_is_there_already_is_not_waited_for(driven: Driven) -> None:
    driven.message()
    assert driven.wait(LONG)


def test_a_wait_ends_when_its_time_is_up(driven: Driven) -> None:
    assert not driven.wait(0.01)
    assert not driven.wait(0)


def test_the_time_of_an_earlier_wait_does_not_end_a_later_one(driven: Driven) -> None:
    driven.message()
    assert driven.wait(0.02)
    began = time.monotonic()
    threading.Timer(0.1, driven.message).start()
    assert driven.wait(LONG)
    assert time.monotonic() - began >= 0.09


def test_tasks_go_on_from_wait_to_wait_in_the_owners_thread(driven: Driven) -> None:
    done: list[int] = []

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            done.append(threading.get_ident())

    driven.loop.spawn(work())
    assert not done
    while len(done) < 3:
        driven.wait(0)
    assert done == [threading.get_ident()] * 3


def test_what_a_thread_hands_to_the_loop_wakes_it(driven: Driven) -> None:
    async def work() -> None:
        await asyncio.to_thread(lambda: None)
        driven.message()

    driven.loop.spawn(work())
    assert driven.wait(LONG)


def test_messages_are_taken_however_much_the_loop_has_to_do(driven: Driven) -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    driven.loop.spawn(work())
    for number in range(1, 4):
        driven.message()
        assert driven.wait(LONG)
        assert turns >= number


def test_the_descriptor_may_be_another_one(driven: Driven) -> None:
    driven.message()
    assert driven.wait(LONG)
    driven.another_descriptor()
    driven.message()
    assert driven.wait(LONG)


def test_the_error_of_a_task_is_told_and_its_cancelling_is_not(driven: Driven) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def leave() -> None:
        raise asyncio.CancelledError

    driven.loop.spawn(leave())
    driven.loop.spawn(fail())
    while not driven.errors:
        driven.wait(0)
    driven.wait(0)
    assert [str(error) for error in driven.errors] == ["broken"]
