"""A replica has no more memory: the kernel kills what asks for some, or Python's processes are refused it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable

import pytest

from kigeon.processes import parents
from tests.replicas.memory import MemoryGroup
from tests.replicas.several import PIPELINE, TAKEOVER, Several, on_this_machine, watched, works_at
from tests.support.flow import Flow
from tests.support.kigeon import Kigeon
from tests.support.processes import wait_until

LITTLE = 64 * 1024
"""Bytes with which no actor goes on for long."""


@pytest.mark.parametrize("part", ["watcher", pytest.param("queue", marks=pytest.mark.long)])
def test_the_kernel_kills_an_actor_of_the_leader(
    part: str, replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """Its successor is started outside the group, and has memory."""
    leader = replicas.holder(PIPELINE)
    with MemoryGroup(LITTLE) as group:

        def limit() -> None:
            group.take(leader.actor(part))
            wait_until(lambda: group.kills, what="a kill by the kernel")

        longest = watched(replicas, limit, record_property)
        assert max(longest.values()) <= on_this_machine(TAKEOVER)
        assert group.kills == 1
        replicas.finish(flow)


def limit_address_space(replica: Kigeon) -> None:
    for pid in replica.tree():
        resource.prlimit(pid, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))


def test_the_kernel_kills_whatever_of_the_leader_asks_for_memory(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """It stays so: what is started again is killed again, until another has the pipeline."""
    leader = replicas.holder(PIPELINE)
    with MemoryGroup(LITTLE) as group:

        def limit() -> None:
            group.take(*leader.tree())
            gone_from(leader, replicas)

        longest = watched(replicas, limit, record_property)
        assert group.kills
        assert max(longest.values()) <= on_this_machine(TAKEOVER)
        leader.kill_tree()
        replicas.finish(flow)


@pytest.mark.long
def test_the_leader_is_refused_memory(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    leader = replicas.holder(PIPELINE)

    def limit() -> None:
        limit_address_space(leader)
        gone_from(leader, replicas)

    longest = watched(replicas, limit, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    # It has no memory to answer with.
    leader.kill_tree()
    replicas.finish(flow)


def test_whatever_the_leader_starts_has_no_memory(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """It goes on holding its lease, and can't do its work: another gets it."""
    leader = replicas.holder(PIPELINE)
    watcher = leader.actor("watcher")
    supervisor = parents()[watcher]

    def limit() -> None:
        resource.prlimit(supervisor, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))
        os.kill(watcher, signal.SIGKILL)
        gone_from(leader, replicas)

    longest = watched(replicas, limit, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    # It has no memory to answer with.
    leader.kill_tree()
    replicas.finish(flow)


def gone_from(leader: Kigeon, replicas: Several) -> None:
    """Wait until another works at the pipeline."""
    others = [replica for replica in replicas.all if replica is not leader]
    wait_until(lambda: any(PIPELINE in works_at(each) for each in others), what="another leader")
