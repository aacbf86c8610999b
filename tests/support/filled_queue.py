"""A queue with any number of events, and operators who ask about them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from kigeon.config.settings import GlobalSettings, QueueSettings, SenderSettings, Settings
from kigeon.kube.source import ClusterSource
from kigeon.operator.memory import MOST_ANSWER_BYTES
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.queue.broker.streams import declare
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import Outcome
from tests.support.crowd import Crowd, fill_events, fill_letters, fill_notes, fill_waiting, put_position
from tests.support.crowd_loki import CrowdLoki
from tests.support.operating import Told, door_to

COUNT = 20_000
"""Events of the queue that tests of one process share."""


class Filled:
    """A queue with *count* events: every fifth parked, every fifth filtered, the last hundred wait; and its cluster."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        self.folder = folder
        self.data = folder / "data"
        queue = QueueSettings(events_max_bytes=max(count, 100_000) * 6_000)
        sender = SenderSettings("loki", "loki", settings=LokiSettings("http://localhost:1"))
        self.settings = Settings((sender,), GlobalSettings(data_dir=self.data), queue)
        self.server = NatsServer(self.data, file_store_bytes(queue))

    async def fill(self) -> None:
        async with connected(self.server.address, "test") as client:
            await declare(client, self.settings.queue, "loki")
            await fill_events(client, self.count)
            await fill_letters(client, "loki", iter(range(5, self.count - 99, 5)), "400 entry too old")
            await fill_notes(client, "loki", iter(range(1, self.count - 99, 5)))
            last = await fill_waiting(client, "loki", range(self.count - 99, self.count + 1))
            fifth = (self.count - 100) // 5
            counts = {"parked": fifth, "filtered": fifth, "sent": self.count - 100 - 2 * fifth}
            position = Position(10**6, self.count + 1, 1, retry_sequence=last, counts=counts, explained=self.count)  # type: ignore[arg-type]
            await put_position(client, "loki", position)

    async def fill_letters(self) -> None:
        """Have all of them parked instead."""
        async with connected(self.server.address, "test") as client:
            await declare(client, self.settings.queue, "loki")
            await fill_letters(client, "loki", iter(range(1, self.count + 1)), "400 entry too old")
            position = Position(10**6, self.count + 1, 1, counts={Outcome.PARKED: self.count}, explained=self.count)
            await put_position(client, "loki", position)

    async def fill_waiting(self) -> None:
        """Have all of them wait in the retry stream instead."""
        async with connected(self.server.address, "test") as client:
            await declare(client, self.settings.queue, "loki")
            last = await fill_waiting(client, "loki", range(1, self.count + 1))
            await put_position(client, "loki", Position(10**6, self.count + 1, 1, retry_sequence=last))


def audited(filled: Filled, keeps: bool = True) -> Told:
    with Crowd(filled.count) as cluster:
        source = ClusterSource(cluster.write_kubeconfig(filled.folder / "kubeconfig"))
        with door_to(filled.server, filled.settings, source) as admin_socket:
            return admin_socket.ask({"command": "audit"}, keeps)


def audited_in_loki(filled: Filled) -> Told:
    """Return the audit where Loki holds what was sent, but for the first three, and the next two twice."""
    sent = (number for number in range(1, filled.count - 99) if number % 5 in (2, 3, 4))
    times = dict(zip(sent, (0, 0, 0, 2, 2), strict=False))

    def holds(number: int) -> int:
        return times.get(number, int(number % 5 in (2, 3, 4) and number < filled.count - 99))

    with Crowd(filled.count) as cluster, CrowdLoki(filled.count, holds) as loki:
        source = ClusterSource(cluster.write_kubeconfig(filled.folder / "kubeconfig"))
        sender = replace(filled.settings.senders[0], settings=LokiSettings(loki.url))
        with door_to(filled.server, replace(filled.settings, senders=(sender,)), source) as admin_socket:
            return admin_socket.ask({"command": "audit", "loki": True, "wrong": True})


def held_of(count: int) -> dict[str, int]:
    """Return what an audit is to find of so many in Loki."""
    sent = count - 100 - 2 * ((count - 100) // 5)
    return {"once": sent - 3 - 2, "missing": 3, "doubled": 2}


def assert_status_holds_nothing_that_waits(folder: Path, count: int) -> None:
    """Assert that `status` counts *count* events that wait, in little memory."""
    queue = Filled(folder, count)
    with queue.server:
        queue.server.start()
        asyncio.run(queue.fill_waiting())
        with door_to(queue.server, queue.settings) as admin_socket:
            told = admin_socket.ask({"command": "status"})
    accounts = told.answer["senders"]["loki"]
    assert (accounts["stored"], accounts["waiting"], accounts["unaccounted"]) == (count, count, 0)
    assert 0 < told.memory < MOST_ANSWER_BYTES / 4
