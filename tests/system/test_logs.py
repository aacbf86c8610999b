"""Whose each line of the log is: of every process, from the start to the end, also where one is killed."""

import os
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

OWN = {
    "actors.root": "root",
    "kigeon.cli.start": "root",
    "kigeon.queue.broker.process": "root",
    "kigeon.kube.informer": "watcher",
    "kigeon.queue.log.writer": "queue",
    "kigeon.senders.engine.engine": "sender/loki",
}
"""Components that one process alone has."""


def test_every_record_names_its_actor_and_of_a_sender_the_sender(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(number) for number in range(20)])
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(20)
        loki.answering.clear()
        os.kill(kigeon.actor("queue"), 9)
        wait_until(lambda: any(line["message"] == "an actor is replaced" for line in kigeon.log()), what="a new Queue")
        loki.answering.set()
        api.put_events([make_event(number) for number in range(20, 40)])
        loki.wait_for(40)
        assert kigeon.stop() == 0
    lines = kigeon.log()
    nameless = [line for line in lines if "actor" not in line]
    assert nameless == []
    for line in lines:
        assert line["actor"] == OWN.get(line["component"], line["actor"]), line
        assert line.get("sender", "loki") == "loki", line
        if line["actor"] == "sender/loki" and line["component"] != "actors.supervisor":
            assert line["sender"] == "loki", line
    assert {"root", "watcher", "sender/loki"} <= {line["actor"] for line in lines}


def test_at_info_nothing_is_said_by_the_event(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    with Kigeon(tmp_path, api, [loki_sender(loki)], global_={"logLevel": "info"}) as kigeon:
        api.wait_for_watches()
        api.put_events([make_event(0)])
        loki.wait_for(1)
        before = len(kigeon.log())
        for number in range(1, 201):
            api.put_events([make_event(number)])
        loki.wait_for(201)
        assert [line for line in kigeon.log()[before:] if line["level"] == "info"] == []
        assert [line["path"] for line in kigeon.log() if line["message"] == "the watch is established"] == [
            "/api/v1/events"
        ]
        assert kigeon.stop() == 0
