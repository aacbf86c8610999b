"""Members on a real bucket: they take roles, pass them on, and take over from one that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from nats.aio.client import Client

from kigeon.clock import boot_time
from kigeon.errors import Fenced
from kigeon.leases import member
from kigeon.leases.keeper import Timing
from kigeon.leases.member import Member, new_id
from kigeon.leases.records import Found, Replica
from kigeon.leases.registry import Registry
from kigeon.leases.standing import Standing
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.streams import declare
from kigeon.roles import PIPELINE, roles_of
from tests.support.settings import QUEUE_SETTINGS

ROLES = roles_of(["a", "b"])
TIMING = Timing(lease=1.0, hold=0.7, renew=0.1, forget=1.0)


class Running:
    """A member that runs, and its last standing; its actors have ended as soon as a role is to be given back."""

    def __init__(self, client: Client, name: str, **fields: object) -> None:
        self.standing: Standing | None = None
        self.registry = Registry(client)
        me = Replica(new_id(), name, "2026-11-28T12:00:00+00:00", roles=ROLES)
        self.sees: bool | None = None
        self.member = Member(self.registry, me, self._note, lambda matters: self.sees, TIMING)
        self._task = asyncio.ensure_future(self.member.run())

    def _note(self, standing: Standing) -> None:
        self.standing = standing
        for role, revision in standing.giving.items():
            asyncio.get_running_loop().call_soon(self.member.stopped, role, revision)

    @property
    def works_at(self) -> frozenset[str]:
        """The roles that it may work at now."""
        if self.standing is None or boot_time() >= self.standing.until:
            return frozenset()
        return self.standing.running

    async def cancel(self) -> None:
        """Have it do nothing more, as one that is killed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def eventually(condition: Callable[[], object], within: float = 10.0) -> float:
    """Wait for *condition*; return how many seconds it took."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
    return asyncio.get_running_loop().time() - began


@asynccontextmanager
async def members(server: NatsServer, *names: str) -> AsyncIterator[list[Running]]:
    """Have members come, one after the other."""
    async with connected(server.address, "test") as client:
        await declare(client, QUEUE_SETTINGS)
        running: list[Running] = []
        try:
            for name in names:
                running.append(Running(client, name))
                await eventually(lambda: running[-1].standing and running[-1].standing.holders[PIPELINE].holder)
            yield running
        finally:
            await asyncio.gather(*(each.cancel() for each in running))


def test_senders_are_spread_and_one_that_is_gone_is_replaced(server: NatsServer) -> None:
    async def main() -> None:
        async with members(server, "one", "two") as (one, two):
            await eventually(lambda: len(one.works_at) == 2 and len(two.works_at) == 1)
            assert PIPELINE in one.works_at
            assert not one.works_at & two.works_at
            assert one.standing
            assert one.standing.others == 1
            until = one.standing.until
            await one.cancel()
            await eventually(lambda: two.works_at == set(ROLES))
            assert boot_time() >= until, "another worked before the tenure had ended"

    asyncio.run(main())


def test_who_leaves_is_followed_at_once(server: NatsServer) -> None:
    async def main() -> None:
        async with members(server, "one", "two") as (one, two):
            await eventually(lambda: len(two.works_at) == 1)
            one.member.leave()
            assert await eventually(lambda: two.works_at == set(ROLES)) < TIMING.hold
            await eventually(lambda: not one.works_at)

    asyncio.run(main())


def test_the_end_of_a_lease_frees_all_its_roles(server: NatsServer) -> None:
    async def main() -> None:
        async with members(server, "one", "two") as (one, two):
            await eventually(lambda: len(two.works_at) == 1)
            await one.cancel()
            await one.member.end()
            assert await eventually(lambda: two.works_at == set(ROLES)) < TIMING.hold

    asyncio.run(main())


def test_a_lease_that_another_has_ended_is_followed_by_one_that_holds_nothing(server: NatsServer) -> None:
    async def main() -> None:
        async with members(server, "one") as (one,):
            await eventually(lambda: one.works_at == set(ROLES))
            assert one.standing
            before = one.standing.replica
            await end(one.registry, before)
            await eventually(lambda: one.standing and one.standing.replica.id != before.id)
            await eventually(lambda: one.works_at == set(ROLES))
            assert one.standing.holders[PIPELINE].holder == one.standing.replica.id
            await eventually_gone(one.registry, before)

    asyncio.run(main())


async def end(registry: Registry, replica: Replica) -> None:
    """End a lease, as another replica does that has seen it unchanged for long."""
    while True:
        found = await registry.lease(replica.id)
        assert found
        with suppress(Fenced):
            await registry.write_lease(replace(found.record, left=True), found.revision)
            return


async def eventually_gone(registry: Registry, replica: Replica) -> None:
    """Wait until the record of a lease that has ended is deleted."""
    async with asyncio.timeout(10):
        while await registry.lease(replica.id) is not None:
            await asyncio.sleep(0.05)


def test_another_life_of_the_same_id_goes_on_with_its_roles(server: NatsServer) -> None:
    """As a Supervisor does that was replaced: whatever its forerunner started has ended by then."""

    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS)
            first = Running(client, "one")
            await eventually(lambda: first.works_at == set(ROLES))
            await first.cancel()
            assert first.standing
            told: list[Standing] = []
            again = Member(first.registry, first.standing.replica, told.append, timing=TIMING)
            task = asyncio.ensure_future(again.run())
            took = await eventually(lambda: told and told[-1].running == set(ROLES))
            assert took < TIMING.hold
            assert told[-1].replica.id == first.standing.replica.id
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_the_pipeline_goes_to_whom_the_api_server_answers(server: NatsServer) -> None:
    async def main() -> None:
        async with members(server, "one", "two") as (one, two):
            await eventually(lambda: PIPELINE in one.works_at and one.standing and one.standing.others)
            one.sees = False
            await eventually(lambda: one.standing and one.standing.replica.sees is False)
            two.sees = True
            await eventually(lambda: PIPELINE in two.works_at)
            assert PIPELINE not in one.works_at

    asyncio.run(main())


def test_a_role_that_fails_goes_to_another_and_may_come_back_later(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "FAILS_FOR", 1.0)
    monkeypatch.setattr(member, "LOOK_EVERY", 0.05)

    async def main() -> None:
        async with members(server, "one", "two") as (one, two):
            await eventually(lambda: PIPELINE in one.works_at and one.standing and one.standing.others)
            one.member.fails(PIPELINE)
            await eventually(lambda: PIPELINE in two.works_at)
            assert PIPELINE not in one.works_at
            await eventually(lambda: one.standing and not one.standing.replica.fails)
            two.member.fails(PIPELINE)
            await eventually(lambda: PIPELINE in one.works_at)

    asyncio.run(main())


def test_what_was_written_but_not_answered_is_found_again(server: NatsServer) -> None:
    async def main() -> None:
        async with connected(server.address, "test") as client:
            await declare(client, QUEUE_SETTINGS)
            registry = Registry(client)
            lease = Replica(new_id(), "one", "", 1, ROLES)
            revision = await registry.write_lease(lease, 0)
            assert await registry.write_lease(lease, 0) == revision
            assert await registry.lease(lease.id) == Found(lease, revision)

    asyncio.run(main())
