"""A replica that holds no role: what it takes, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.replicas.several import PIPELINE, Several, works_at
from tests.support.loki import Loki
from tests.support.nats import NatsNode
from tests.support.processes import processor_seconds, proportional_memory, wait_until

MOST = 70 * 1024 * 1024
SETTLES = 12.0
"""Seconds until what the start took has been given back."""


def test_it_takes_little(
    tmp_path: Path, api: ApiServer, loki: Loki, record_property: Callable[[str, object], None]
) -> None:
    with NatsNode(tmp_path / "nats") as node, Several(tmp_path, api, {"url": node.url}, {"loki": loki}) as replicas:
        replicas.start()
        replicas.holder(PIPELINE)
        standby = replicas.start()
        began, before = time.monotonic(), processor_seconds(standby.tree())
        wait_until(lambda: time.monotonic() - began > SETTLES)
        assert not works_at(standby)
        memory = proportional_memory(standby.tree())
        record_property("MiB", round(memory / 2**20, 1))
        record_property("processor", round((processor_seconds(standby.tree()) - before) / SETTLES, 4))
        assert memory <= MOST
