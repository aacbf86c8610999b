"""The Membership: keeps this replica's lease, and tells the Supervisor which roles it holds, and until when."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from actors.base import KigeonActor
from actors.messages import Failing, Leave, RoleStopped, Standing, Start
from kigeon.errors import KubernetesError, StartError
from kigeon.kube.source import ClusterSource
from kigeon.leases.member import Member
from kigeon.leases.registry import Registry
from kigeon.leases.sight import Sight
from kigeon.queue.broker.connection import QueueClient
from kigeon.queue.broker.streams import declaring

log = logging.getLogger(__name__)

VERSION = "/version"
"""What the API server is asked for, to see whether it answers: everybody may read it."""

ANSWER_WITHIN = 2.0
"""Seconds for its answer to come."""


class Membership(KigeonActor):
    """Runs a member in its loop. Where it ends, the Supervisor ends the actors of all roles before there is another."""

    def started(self, start: Start) -> None:
        """Prepare to take part."""
        self._start = start
        self._member: Member | None = None
        self._standing: Standing | None = None
        self._leaves = False
        self._client: QueueClient | None = None

    async def work(self) -> None:
        """Take part until the end."""
        start = self._start
        if start.replica is None:
            raise ValueError("a Membership is started with what its replica is called")
        on_reconnect = declaring(start.settings.queue)
        self._client = client = QueueClient(start.queue, on_reconnect=on_reconnect)
        await client.open(self.name)
        await on_reconnect(client)
        sight = Sight(Asking(start.cluster or ClusterSource()))
        self._member = Member(Registry(client), start.replica, self.post, sight.look)
        if self._leaves:
            self._member.leave()
        await self._member.run()

    def posted(self, item: Any) -> None:
        """Pass on how this replica stands, and by which server."""
        self._standing = replace(item, server=self._client.server if self._client is not None else "")
        self.send(self.supervisor, self._standing)

    def receiveMsg_RoleStopped(self, message: RoleStopped, sender: Any) -> None:
        """Have a role given back whose actors have ended."""
        if self._member is not None and self.loop is not None:
            self.loop.spawn(_told(self._member, message))

    def receiveMsg_Failing(self, message: Failing, sender: Any) -> None:
        """Have the others know that a role does not work here."""
        if self._member is not None and self.loop is not None:
            self.loop.spawn(_failing(self._member, message))

    def receiveMsg_Leave(self, message: Leave, sender: Any) -> None:
        """Have every role given back, one after the other, as their actors end."""
        self._leaves = True
        if self._member is not None and self.loop is not None:
            self.loop.spawn(_leaving(self._member))

    def report(self) -> Mapping[str, Any]:
        """Tell how this replica stands; the Supervisor is told again, in case that it was lost on its way."""
        standing = self._standing
        problem = self._client.problem if self._client is not None else ""
        if standing is None:
            return {"queueProblem": problem}
        self.send(self.supervisor, standing)
        return {
            "queueProblem": problem,
            "replica": standing.replica.name,
            "id": standing.replica.id,
            "holds": sorted(standing.running | standing.giving.keys()),
            "others": standing.others,
            "holders": {
                role: {"replica": who.name, "since": who.since, "id": who.holder}
                for role, who in standing.holders.items()
            },
        }

    async def finish(self, grace: float) -> None:
        """End the lease: no actor of any role runs here any more."""
        if self._member is not None:
            await self._member.end()


class Asking:
    """Asks the API server whether it answers, in whichever thread; the access is made in the first one."""

    def __init__(self, cluster: ClusterSource) -> None:
        self._cluster = cluster
        self._access: Any = None

    def __call__(self) -> bool:
        """Return whether there was an answer; that this replica may not have what it asked for is one too."""
        # The kubernetes package takes tens of megabytes, and a replica that holds no role seldom asks.
        from kigeon.kube.access import ClusterAccess

        try:
            self._access = self._access or ClusterAccess(self._cluster)
            self._access.read(VERSION, {}, ANSWER_WITHIN)
        except KubernetesError as error:
            return 0 < error.status < 500
        except StartError as error:
            log.warning("whether the API server answers is not known", extra={"error": str(error)})
            return False
        return True


async def _told(member: Member, message: RoleStopped) -> None:
    member.stopped(message.role, message.revision)


async def _failing(member: Member, message: Failing) -> None:
    member.fails(message.role)


async def _leaving(member: Member) -> None:
    member.leave()
