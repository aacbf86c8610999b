"""One of several replicas ends, hangs, leaves or comes: nothing is lost, nothing is doubled, and it takes seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kigeon.processes import parents
from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import (
    LEASE,
    PIPELINE,
    TAKEOVER,
    Several,
    flowing,
    on_this_machine,
    standing,
    stop_all,
    thaw,
    watched,
    works_at,
)
from tests.support.flow import Flow
from tests.support.loki import Loki
from tests.support.nats import NatsNode
from tests.support.processes import is_running, wait_until

HANDOVER = 4.0
"""The same where it leaves, or gives a role to one that came: nobody waits for the end of a lease. Mostly it takes less
than two; what it took is told at the end.
"""


def test_the_leader_is_killed(replicas: Several, flow: Flow, record_property: Callable[[str, object], None]) -> None:
    leader = replicas.holder(PIPELINE)
    longest = watched(replicas, leader.kill_tree, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    assert replicas.holder(PIPELINE) is not leader
    replicas.finish(flow)


def test_who_sends_is_killed(replicas: Several, flow: Flow, record_property: Callable[[str, object], None]) -> None:
    holder = replicas.holder("sender.one")
    longest = watched(replicas, holder.kill_tree, record_property)
    assert longest["one"] <= on_this_machine(TAKEOVER)
    assert replicas.holder("sender.one") is not holder
    replicas.finish(flow)


def test_the_leader_hangs_for_longer_than_its_lease(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """When it goes on, what it had begun before is over, and it notices before it writes or sends."""
    leader = replicas.holder(PIPELINE)
    working = [leader.actor(name) for name in ("watcher", "deduplicator", "queue")]

    def hang() -> None:
        stop_all(leader)
        began = time.monotonic()
        wait_until(lambda: any(PIPELINE in works_at(each) for each in replicas.running if each is not leader))
        flowing(replicas)
        wait_until(lambda: time.monotonic() - began > LEASE)
        thaw(leader)
        wait_until(lambda: not any(map(is_running, working)), what="the end of what it did")

    longest = watched(replicas, hang, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    wait_until(lambda: standing(leader)["holders"]["pipeline"]["id"] not in ("", standing(leader)["id"]))
    replicas.finish(flow)


def test_who_sends_hangs_for_longer_than_its_lease(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    holder = replicas.holder("sender.two")
    sender = holder.actor("sender/two")

    def hang() -> None:
        stop_all(holder)
        wait_until(lambda: any("sender.two" in works_at(each) for each in replicas.running if each is not holder))
        flowing(replicas)
        thaw(holder)
        wait_until(lambda: not is_running(sender), what="the end of what it did")

    longest = watched(replicas, hang, record_property)
    assert longest["two"] <= on_this_machine(TAKEOVER)
    replicas.finish(flow)


def test_the_leader_is_stopped_as_a_user_does(
    replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    leader = replicas.holder(PIPELINE)

    def stop() -> None:
        assert leader.stop() == 0

    longest = watched(replicas, stop, record_property)
    assert max(longest.values()) <= on_this_machine(HANDOVER)
    assert replicas.holder(PIPELINE) is not leader
    replicas.finish(flow)


def test_replicas_come_and_go(
    tmp_path: Path,
    api: ApiServer,
    lokis: Mapping[str, Loki],
    flow: Flow,
    record_property: Callable[[str, object], None],
) -> None:
    """A rolling upgrade: one is there, another two come, each in turn is replaced; senders move with them."""
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, lokis) as replicas:
        replicas.start()
        assert works_at(replicas.all[0]) or replicas.holder(PIPELINE)

        def come_and_go() -> None:
            replicas.start(2)
            wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")
            for replica in list(replicas.all):
                replicas.start()
                assert replica.stop() == 0
                wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")

        longest = watched(replicas, come_and_go, record_property)
        assert max(longest.values()) <= on_this_machine(HANDOVER)
        assert len(replicas.running) == 3
        replicas.finish(flow)


@pytest.mark.parametrize("part", ["membership", "supervisor"])
def test_what_keeps_the_lease_is_killed(
    part: str, replicas: Several, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """The replica goes on with the same lease as soon as whatever it was for has ended: no other takes over."""
    leader = replicas.holder(PIPELINE)
    lease = standing(leader)["id"]
    watcher = leader.actor("watcher")
    membership = leader.actor("membership")
    pid = membership if part == "membership" else parents()[membership]

    def kill() -> None:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(watcher), what="the end of what it did")

    longest = watched(replicas, kill, record_property)
    assert max(longest.values()) <= on_this_machine(TAKEOVER)
    assert replicas.holder(PIPELINE) is leader
    assert standing(leader)["id"] == lease
    replicas.finish(flow)
