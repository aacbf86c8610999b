"""nats-server is killed again and again, frozen for long, hung while nothing happens, and joined by another one."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from kigeon.queue.broker.binary import find_binary
from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.events import assert_once, make_event
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.processes import is_running, wait_until
from tests.system.test_faults import Flow, finish

LONG = 30.0
"""Seconds for which something is frozen."""


def test_it_is_killed_again_and_again(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        for _ in range(5):
            kigeon.restart_server()
        loki.wait_for(len(loki.lines) + 50)
        finish(kigeon, flow, loki)
        assert len(kigeon.said("nats-server ended, it is restarted", "error")) == 5
    assert loki.repeats == 0


def test_it_hangs_while_events_flow(tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow) -> None:
    """It does not answer, so it is replaced."""
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        frozen = kigeon.signal_server(signal.SIGSTOP)
        wait_until(lambda: not is_running(frozen), 60, "the end of a nats-server that hangs")
        assert kigeon.server() != frozen
        finish(kigeon, flow, loki)


def test_it_hangs_while_nothing_happens(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    """Nobody writes, so no write fails; what comes later must find a server that works."""
    events = [make_event(number) for number in range(200)]
    api.put_events(events[:100])
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(100)
        wait_until(lambda: kigeon.said("status"))
        frozen = kigeon.signal_server(signal.SIGSTOP)
        kigeon.wait_until_said("disconnected from the queue", 60)
        api.put_events(events[100:])
        loki.wait_for(200, 60)
        assert not is_running(frozen)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


def test_it_is_frozen_for_long_and_thaws_before_it_is_replaced(
    tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow
) -> None:
    """Everything is frozen with it, as on a machine that is suspended; the cluster goes on."""
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        frozen = kigeon.tree()
        until = time.monotonic() + LONG
        for pid in frozen:
            subprocess.run(["kill", "-STOP", str(pid)], check=False)
        wait_until(lambda: time.monotonic() > until, LONG + 5, "a long time")
        for pid in reversed(frozen):
            subprocess.run(["kill", "-CONT", str(pid)], check=False)
        finish(kigeon, flow, loki)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_another_one_is_started_on_its_store_by_hand(
    tmp_path: Path, api: ApiServer, loki: Loki, flow: Flow, how: signal.Signals
) -> None:
    """It reads and, when it ends gently, writes down what it had read: by then that is out of date."""
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(50)
        ports = tmp_path / "ports"
        ports.mkdir()
        conf = tmp_path / "other.conf"
        conf.write_text(
            f'listen: "127.0.0.1:-1"\nports_file_dir: "{ports}"\n'
            f'jetstream {{ store_dir: "{kigeon.data / "jetstream"}", max_file_store: 4294967296 }}\n'
        )
        other = subprocess.Popen([find_binary(), "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: list(ports.iterdir()), what="the other server")
            loki.wait_for(len(loki.lines) + 100)
        finally:
            other.send_signal(how)
            other.wait()
        loki.wait_for(len(loki.lines) + 100)
        kigeon.restart_server()
        finish(kigeon, flow, loki)
    assert loki.repeats == 0
