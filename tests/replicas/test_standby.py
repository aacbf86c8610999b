"""A replica that holds no role: what it takes, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kigeon.processes import parents
from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import PIPELINE, Several, flowing, standing, stop_all, thaw, works_at
from tests.support.flow import Flow
from tests.support.kigeon import Kigeon
from tests.support.loki import Loki
from tests.support.nats import NatsNode
from tests.support.processes import is_running, processor_seconds, proportional_memory, wait_until

MOST = 70 * 1024 * 1024
SETTLES = 12.0
"""Seconds until what the start took has been given back."""

RENEWED = 60.0
"""Seconds until a replica that holds no role any more has given back what it took to work at one."""


def test_it_takes_little(
    tmp_path: Path, api: ApiServer, loki: Loki, record_property: Callable[[str, object], None]
) -> None:
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, {"loki": loki}) as replicas:
        replicas.start()
        replicas.holder(PIPELINE)
        standby = replicas.start()
        assert_it_takes_little(standby, record_property)


@pytest.mark.long
def test_one_that_did_everything_once_takes_little(
    tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, record_property: Callable[[str, object], None]
) -> None:
    """It hangs for so long that others do all of it, and goes on."""
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, {"loki": loki}) as replicas:
        once = replicas.start()
        loki.wait_for(2000)
        replicas.start(2)
        first = standing(once)["id"]
        stop_all(once)
        others = replicas.all[1:]
        wait_until(lambda: {PIPELINE, "sender.loki"} <= frozenset().union(*map(works_at, others)), what="a takeover")
        thaw(once)
        flowing(replicas)
        wait_until(lambda: not works_at(once), what="the end of what it did")
        lease = wait_until(lambda: standing(once)["id"] not in ("", first) and standing(once)["id"], what="a lease")
        supervisor = parents()[once.actor("membership")]
        wait_until(lambda: not is_running(supervisor), RENEWED, what="another beginning")
        wait_until(lambda: standing(once)["others"] == 2 and is_running(once.actor("membership")), what="its return")
        assert standing(once)["id"] == lease
        assert_it_takes_little(once, record_property)
        others[0].kill_tree()
        wait_until(lambda: works_at(once), what="a role")
        flowing(replicas)
        replicas.finish(flow)


def assert_it_takes_little(standby: Kigeon, record: Callable[[str, object], None]) -> None:
    """Assert that of one which holds nothing, and tell what it takes."""
    wait_until(lambda: not works_at(standby), what="the end of what it did")
    began, before = time.monotonic(), processor_seconds(standby.tree())
    wait_until(lambda: time.monotonic() - began > SETTLES)
    assert not works_at(standby)
    memory = proportional_memory(standby.tree())
    record("MiB", round(memory / 2**20, 1))
    record("processor", round((processor_seconds(standby.tree()) - before) / SETTLES, 4))
    assert memory <= MOST
