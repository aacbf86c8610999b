"""A large store has lost its index, on a slow machine: nats-server reads all of it before it takes connections."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker import process as module
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.queue.broker.streams import declare
from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import EVENTS, EVENTS_SUBJECT
from tests.support.processes import freeze, is_running, wait_until

GIBIBYTE = 2**30
SIZE = 8000
MESSAGES = 2 * GIBIBYTE // SIZE
SETTINGS = QueueSettings(events_max_bytes=4 * GIBIBYTE)

FORMER_PATIENCE = 10.0
"""Seconds that were too few."""

pytestmark = pytest.mark.timeout(300)


class Slow:
    """A context manager: *server*, from its start on, gets a fiftieth of the time for longer than was too long once."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._signal(signal.SIGCONT)

    def _run(self) -> None:
        until = time.monotonic() + FORMER_PATIENCE + 2.0
        while time.monotonic() < until and not self._over.wait(0.005):
            self._signal(signal.SIGSTOP)
            self._over.wait(0.245)
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._server.is_running:
            os.kill(self._server.pid, number)


async def _fill(client: Client) -> None:
    await declare(client, SETTINGS)
    body, js = os.urandom(SIZE), client.jetstream()
    for number in range(1, MESSAGES + 1):
        if number % 1000 and number != MESSAGES:
            await client.publish(EVENTS_SUBJECT, body)
        else:
            # Its answer says that those before it are stored, too.
            await js.publish(EVENTS_SUBJECT, body, timeout=60)


async def _count(client: Client) -> int:
    return (await client.jetstream().stream_info(EVENTS)).state.messages


def _ask(server: NatsServer, question: object) -> int:
    async def ask() -> int:
        async with connected(server.address, "test") as client:
            return await question(client)  # type: ignore[operator,no-any-return]

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with two gibibytes of events."""
    data = tmp_path_factory.mktemp("large") / "data"
    # It is filled without syncing: that would take a quarter of an hour.
    quick = module._CONFIGURATION.replace("  sync_interval: always\n", "")
    with patch.object(module, "_CONFIGURATION", quick), NatsServer(data, file_store_bytes(SETTINGS)) as server:
        server.start()
        _ask(server, _fill)
        assert _ask(server, _count) == MESSAGES
    yield data
    shutil.rmtree(data)


def lose_the_index(data: Path) -> None:
    indexes = list(data.glob("jetstream/jetstream/$G/streams/*/msgs/index.db"))
    assert indexes
    for index in indexes:
        index.unlink()


def test_a_server_that_reads_two_gibibytes_is_waited_for(large: Path, caplog: pytest.LogCaptureFixture) -> None:
    lose_the_index(large)
    with caplog.at_level(logging.INFO), NatsServer(large, file_store_bytes(SETTINGS)) as server:
        with Slow(server):
            server.start()
        assert _ask(server, _count) == MESSAGES
    (started,) = (record for record in caplog.records if record.message == "nats-server started")
    assert vars(started)["seconds"] > FORMER_PATIENCE
    assert [record for record in caplog.records if record.message == "nats-server still recovers its store"]


def test_kigeon_ends_when_it_is_told_to_meanwhile(tmp_path: Path, api: ApiServer, loki: Loki, large: Path) -> None:
    lose_the_index(large)
    settings = {"dataDir": str(large)}
    with Stored(tmp_path, api, [loki_sender(loki)], global_=settings, queue={"eventsMaxBytes": "4Gi"}) as kigeon:
        freeze(kigeon.server())
        assert kigeon.stop() == 0
        assert not kigeon.said("nats-server started")


def test_everything_else_goes_on_while_a_restarted_server_recovers(
    tmp_path: Path, api: ApiServer, loki: Loki, large: Path
) -> None:
    """The root waits for nobody: actors are watched, and a signal ends kigeon."""
    settings = {"dataDir": str(large)}
    with Stored(tmp_path, api, [loki_sender(loki)], global_=settings, queue={"eventsMaxBytes": "4Gi"}) as kigeon:
        kigeon.wait_until_said("started", actor="queue")
        before = kigeon.signal_server(signal.SIGKILL)
        wait_until(lambda: not is_running(before), what="the end of nats-server")
        freeze(kigeon.server())
        statuses = len(kigeon.said("status"))
        wait_until(lambda: len(kigeon.said("status")) > statuses + 3, what="reports while it recovers")
        assert len(kigeon.said("nats-server started")) == 1
        assert kigeon.stop() == 0
