"""What a status says of replicas and roles."""

from __future__ import annotations

import asyncio

import pytest

from kigeon.errors import QueueError
from kigeon.leases.records import Replica, Role, View
from kigeon.leases.registry import Registry, Watch
from kigeon.operator.replicas import read_replicas
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from tests.support.settings import QUEUE_SETTINGS


def test_it_says_who_holds_which_role_and_who_waits(server: NatsServer) -> None:
    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS)
            assert await read_replicas(client, patience=0.0) == {"roles": {}, "replicas": []}
            registry = Registry(client)
            for name in ("a", "b"):
                await registry.write_lease(Replica(name, f"kigeon-{name}", "then", roles=("pipeline",)), 0)
            await registry.write_lease(Replica("c", "kigeon-c", "then", left=True), 0)
            await registry.write_role("pipeline", Role("a", "kigeon-a", "since"), 0)
            await registry.write_role("sender.x", Role("c", "kigeon-c", "since"), 0)
            assert await read_replicas(client) == {
                "roles": {"pipeline": {"replica": "kigeon-a", "since": "since"}, "sender.x": {"replica": None}},
                "replicas": [
                    {"name": "kigeon-a", "id": "a", "since": "then", "roles": ["pipeline"]},
                    {"name": "kigeon-b", "id": "b", "since": "then", "roles": []},
                ],
            }

    asyncio.run(main())


def test_it_asks_again_while_a_cluster_elects(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [QueueError("no responders")]
    real = Watch.next

    async def refused(watch: Watch, within: float) -> View:
        if refusals:
            raise refusals.pop()
        return await real(watch, within)

    monkeypatch.setattr(Watch, "next", refused)

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS)
            await Registry(client).write_lease(Replica("a", "kigeon-a", "then"), 0)
            assert [replica["id"] for replica in (await read_replicas(client))["replicas"]] == ["a"]

    asyncio.run(main())
    assert not refusals
