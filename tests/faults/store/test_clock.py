"""The wall clock of nats-server itself is set 20 hours ahead, and back: what is kept, and what is not.

It ages messages by that clock. What waits and would be older than eventsMaxAge is evicted; nothing of the last hours
is, and what was stored is known, so nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.scan import first_sequence, last_sequence
from kigeon.queue.broker.stream_configs import file_store_bytes
from tests.faults.store.clocked import clocked_server
from tests.support.names import EVENTS, SEEN
from tests.support.processes import wait_until
from tests.support.storing import known_after_rebuild, storing

T = TypeVar("T")

HOUR = 3600
SETTINGS = QueueSettings()

pytestmark = pytest.mark.timeout(900)


class Clocked:
    """A nats-server, and its clock."""

    def __init__(self, server: NatsServer, clock: Path) -> None:
        self.server = server
        self._clock = clock

    def set_clock(self, hours: float) -> None:
        """Set its clock wrong by so many hours; return when it is: a server that runs looks fifty times a second."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(round(hours * HOUR)))
        fresh.rename(self._clock)
        if self.server.is_ready:
            wait_until(
                lambda: abs(self.ask(time_of) - time.time() - hours * HOUR) < HOUR / 2, what="the server's clock"
            )

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """Return what *question* returns of a client."""

        async def ask() -> T:
            async with connected(self.server.address, "test") as client:
                return await question(client)

        return asyncio.run(ask())


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    program = clocked_server(tmp_path)
    with (
        patch("kigeon.queue.broker.process.find_binary", return_value=program),
        NatsServer(tmp_path / "data", file_store_bytes(SETTINGS)) as server,
    ):
        yield Clocked(server, tmp_path / "clock")


def store(*numbers: int) -> Callable[[Client], Awaitable[None]]:
    """Return what stores *numbers*, each in a message of its own, their digests apart, too."""

    async def work(client: Client) -> None:
        await (await storing(client, SETTINGS)).store_apart(*numbers)

    return work


async def time_of(client: Client) -> float:
    """Return what time it is for the server, in seconds since the epoch."""
    answer = json.loads((await client.request(f"$JS.API.STREAM.INFO.{EVENTS}")).data)
    return datetime.fromisoformat(answer["ts"]).timestamp()


async def seen_are_gone(client: Client) -> bool:
    return await first_sequence(client, SEEN) > await last_sequence(client, SEEN)


async def first_event(client: Client) -> int:
    return await first_sequence(client, EVENTS)


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
def test_nothing_of_the_last_hours_is_lost_or_forgotten(clocked: Clocked, restarts: bool) -> None:
    """The digests that were stored apart are taken for old; they are found in the headers of their events."""
    clocked.server.start()
    clocked.ask(store(1, 2, 3))
    clocked.set_clock(20)
    if restarts:
        clocked.server.restart()
        assert clocked.ask(seen_are_gone)
    clocked.ask(store(4))
    assert clocked.ask(first_event) == 1
    assert clocked.ask(known_after_rebuild) == (4, {1, 2, 3, 4})
    clocked.set_clock(0)
    if restarts:
        clocked.server.restart()
    clocked.ask(store(5))
    assert clocked.ask(first_event) == 1
    assert clocked.ask(known_after_rebuild) == (5, {1, 2, 3, 4, 5})


def test_what_waits_for_longer_than_the_jump_leaves_is_evicted(clocked: Clocked) -> None:
    """Stored five hours before, it seems to be older than a day: the server takes it away."""
    clocked.set_clock(-5)
    clocked.server.start()
    clocked.ask(store(1, 2))
    clocked.set_clock(0)
    clocked.ask(store(3))
    assert clocked.ask(first_event) == 1
    clocked.set_clock(20)
    clocked.server.restart()
    wait_until(lambda: clocked.ask(first_event) == 3, 60, "an eviction")
    clocked.set_clock(0)
    clocked.ask(store(4))
    assert clocked.ask(first_event) == 3
    found = clocked.ask(known_after_rebuild)
    assert isinstance(found, tuple)
    assert {3, 4} <= found[1]
