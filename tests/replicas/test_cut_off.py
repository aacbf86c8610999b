"""One of several replicas does not reach JetStream, or the API server alone, or its clock is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.replicas.cable import Cable
from tests.replicas.several import (
    LEASE,
    PIPELINE,
    TAKEOVER,
    WRONG_CLOCK,
    Several,
    flowing,
    on_this_machine,
    standing,
    watched,
    works_at,
)
from tests.support.flow import Flow
from tests.support.loki import Loki
from tests.support.nats import NatsNode
from tests.support.processes import wait_until


def test_the_leader_does_not_reach_the_api_server(
    tmp_path: Path,
    api: ApiServer,
    lokis: Mapping[str, Loki],
    flow: Flow,
    record_property: Callable[[str, object], None],
) -> None:
    """It gives the pipeline away, since the others do; when nobody does, nobody gives it away."""
    with (
        NatsNode(tmp_path / "nats") as node,
        Cable(api.url, api.token) as near,
        Cable(api.url, api.token) as far,
        Several(tmp_path, api, {"url": node.url}, lokis) as replicas,
    ):
        leader = replicas.start(api=near)
        replicas.holder(PIPELINE)
        other = replicas.start(api=far)
        wait_until(lambda: replicas.spread() == [1, 1], what="senders that are spread")

        def cut() -> None:
            near.cut()
            wait_until(lambda: PIPELINE in works_at(other), what="the pipeline at the other")

        longest = watched(replicas, cut, record_property)
        assert max(longest.values()) <= on_this_machine(TAKEOVER)
        assert replicas.spread() == [1, 1], "the senders stay"
        far.cut()
        wait_until(lambda: standing(other)["holders"][PIPELINE]["id"] == standing(other)["id"])
        since = standing(other)["holders"][PIPELINE]["since"]
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 2 * LEASE)
        assert standing(other)["holders"][PIPELINE]["since"] == since, "it went to and fro"
        near.mend()
        wait_until(lambda: PIPELINE in works_at(leader), what="the pipeline where the API server answers again")
        flowing(replicas)
        far.mend()
        replicas.finish(flow)


def test_the_leader_does_not_reach_jetstream(
    tmp_path: Path,
    api: ApiServer,
    lokis: Mapping[str, Loki],
    flow: Flow,
    record_property: Callable[[str, object], None],
) -> None:
    """What it had sent to JetStream arrives there when the others have long gone on: it is refused."""
    with (
        NatsNode(tmp_path / "nats") as node,
        Cable(node.url) as cable,
        Several(tmp_path, api, {"url": node.url}, lokis) as replicas,
    ):
        leader = replicas.start(url=cable.url)
        replicas.holder(PIPELINE)
        replicas.start(2)
        wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")
        others = replicas.all[1:]

        def cut() -> None:
            cable.cut()
            wait_until(lambda: not works_at(leader), what="the end of what it did")
            wait_until(lambda: any(PIPELINE in works_at(each) for each in others), what="another leader")
            flowing(replicas)
            cable.mend()
            wait_until(lambda: standing(leader).get("others") == 2, what="its return")

        longest = watched(replicas, cut, record_property)
        assert max(longest.values()) <= on_this_machine(TAKEOVER)
        replicas.finish(flow)


@pytest.mark.long
def test_clocks_that_are_an_hour_wrong_change_nothing(
    tmp_path: Path,
    api: ApiServer,
    lokis: Mapping[str, Loki],
    flow: Flow,
    record_property: Callable[[str, object], None],
) -> None:
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, lokis) as replicas:
        for name, seconds in (("ahead", 3600), ("behind", -3600), ("right", 0)):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "sitecustomize.py").write_text(WRONG_CLOCK.format(seconds=seconds))
            replicas.start(environ={"PYTHONPATH": str(folder)})
        wait_until(lambda: replicas.spread() == [0, 1, 1], what="senders that are spread")
        for _ in range(2):
            leader = replicas.holder(PIPELINE)
            longest = watched(replicas, leader.kill_tree, record_property)
            assert max(longest.values()) <= on_this_machine(TAKEOVER)
        replicas.finish(flow)
