"""Metrics, health and what the status page shows, of a running kigeon."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from kigeon.processes import parents
from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.http import DIRECT, LISTEN, address, checks, get, scrape, told_by_metrics, told_by_status, value
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until


def pulled(number: int) -> dict[str, Any]:
    return make_event(number, namespace="bank", type="Normal", reason="Pulled")


def parent_of(pid: int) -> int:
    return parents()[pid]


def test_the_figures_are_the_accounts_and_no_outage_of_loki_is_one_of_health(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    sections = {"http": {**LISTEN, "namespaceLabel": True}}
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], **sections) as kigeon:
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
        api.put_events([make_event(number) for number in range(20)])
        loki.wait_for(20)
        loki.always = lambda tenant: 503
        api.put_events([pulled(number) for number in range(20, 30)])
        wait_until(
            lambda: value(kigeon, "kigeon_sender_blocked_destinations", sender="loki") == 1,
            what="a blocked destination",
        )
        (held,) = json.loads(get(kigeon, "/api/status")[1])["senders"]["loki"]["held"]
        assert (held["state"], held["destination"]) == ("away", loki.url)
        assert held["reason"].startswith("503")
        assert held["since"] <= held["next"]
        assert get(kigeon, "/livez") == (200, "ok\n")
        assert get(kigeon, "/readyz") == (200, "ok\n")
        os.kill(kigeon.actor("sender/loki"), signal.SIGKILL)
        wait_until(
            lambda: (value(kigeon, "kigeon_actor_restarts_total", actor="sender/loki") or 0) >= 1, what="another"
        )
        loki.always = lambda tenant: 0
        loki.wait_for(30)

        wait_until(lambda: told_by_metrics(kigeon) == told_by_status(kigeon), what="figures that are the accounts")
        assert told_by_metrics(kigeon)["senders"]["loki"]["sent"] == 30
        events = {"type": "Normal", "reason": "Pulled", "namespace": "bank"}
        assert value(kigeon, "kigeon_cluster_events_total", **events) == 10
        assert value(kigeon, "kigeon_cluster_events_total", type="Warning", reason="BackOff", namespace="shop") == 20
        assert (value(kigeon, "kigeon_sender_push_duration_seconds_count", sender="loki") or 0) >= 1
        assert (value(kigeon, "kigeon_watch_last_heard_timestamp_seconds") or 0) > 10**9
        names = {dict(labels).get("process") for name, labels in scrape(kigeon) if name.startswith("process_")}
        assert names == {"root", "http", "nats-server", "supervisor", "thespian-admin", "pipeline", "sender/loki"}


def test_without_an_api_server_kigeon_is_live_and_not_ready(tmp_path: Path, loki: Loki) -> None:
    with ApiServer() as gone:
        kigeon = Kigeon(tmp_path / "kigeon", gone, [loki_sender(loki)], http=LISTEN)
    with kigeon:
        wait_until(lambda: "no list yet: " in checks(kigeon, "/readyz").get("cluster", ""), what="the reason")
        assert set(checks(kigeon, "/readyz")) == {"cluster"}
        assert get(kigeon, "/livez") == (200, "ok\n")
        status, text = get(kigeon, "/readyz")
        assert status == 503
        assert "[-]cluster no list yet: " in text
        assert text.endswith("readyz check failed\n")


def test_an_address_that_is_taken_is_said_and_tried_again(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(1)])
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        kigeon = Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http={"listen": taken})
        with kigeon:
            loki.wait_for(1)
            said = wait_until(
                lambda: [line for line in kigeon.log() if "can't be served" in line["message"]], what="a word of it"
            )
            assert (said[0]["level"], said[0]["actor"], said[0]["address"]) == ("error", "http", taken)
            other.close()
            wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="an address that is free again")


def test_the_process_that_serves_is_started_again_and_outlives_the_actors(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http=LISTEN) as kigeon:
        serving = kigeon.process("kigeon.http.process")
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
        os.kill(parent_of(kigeon.actor("watcher")), signal.SIGKILL)
        wait_until(lambda: value(kigeon, "kigeon_actor_system_restarts_total") == 1, what="another actor system")
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready again")
        assert kigeon.process("kigeon.http.process") == serving
        os.kill(serving, signal.SIGKILL)
        wait_until(lambda: kigeon.process("kigeon.http.process") != serving, what="another process that serves")


def test_whoever_looks_is_told_of_events_as_they_happen(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Each once, also after the actor that tells of them was replaced; a repeat is none."""
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http=LISTEN) as kigeon, ExitStack() as stack:
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
        host, _, port = address(kigeon).rpartition(":")
        looking = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
        looking.sendall(b"GET /api/stream HTTP/1.1\r\n\r\n")
        told = bytearray()
        for reason in ("Ripened", "Rotten"):
            event = make_event(len(told), "bank", reason=reason, message="<script>")
            api.put_events([event])
            while reason.encode() not in told:
                told += looking.recv(65536)
            os.kill(kigeon.actor("deduplicator"), signal.SIGKILL)
            api.put_events([event])
            wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready again")
        events = json.loads(get(kigeon, "/api/status")[1])["events"]
        assert [event["reason"] for event in events] == ["Rotten", "Ripened"]
        assert b"<script>" not in told


def test_whatever_is_asked_of_it_events_flow(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """A thousand connections that say nothing or look at the page, and as many requests as two threads can make."""
    with Kigeon(tmp_path / "kigeon", api, [loki_sender(loki)], http=LISTEN) as kigeon, ExitStack() as stack:
        wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
        host, _, port = address(kigeon).rpartition(":")
        for number in range(900):
            visitor = stack.enter_context(socket.create_connection((host, int(port))))
            if number % 2:
                visitor.sendall(b"GET /api/stream HTTP/1.1\r\n\r\n")
        asked = stack.enter_context(Asking(f"http://{address(kigeon)}/metrics"))
        events = [make_event(number) for number in range(2000)]
        for start in range(0, len(events), 100):
            api.put_events(events[start : start + 100])
        loki.wait_for(len(events))
        wait_until(lambda: asked.answers > 200, what="answers")
        assert get(kigeon, "/livez") == (200, "ok\n")
        assert_once(loki.lines, events)


class Asking:
    """Requests without a pause, in two threads, for the length of a block."""

    def __init__(self, url: str) -> None:
        self.answers = 0
        self._url = url
        self._stop = Event()
        self._threads = [Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError), DIRECT.open(self._url, timeout=10) as answer:
                self.answers += answer.status == 200
