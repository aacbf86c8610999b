import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from nats.aio.client import Client

from kigeon.config.settings import QueueSettings
from kigeon.errors import StartError
from kigeon.queue.broker import process
from kigeon.queue.broker.process import TIMER_SLACK, NatsServer
from kigeon.queue.broker.recovery import Work
from kigeon.queue.broker.streams import declare
from tests.support.writing import envelope, run_with_client, stored, writing

ROOM = 2**30


def test_a_server_that_does_not_start_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "jetstream").touch()
    with NatsServer(tmp_path, ROOM) as server:
        with pytest.raises(StartError, match=f"did not start in {tmp_path}: .*Can't start JetStream"):
            server.start()
        assert not server.is_running


def test_a_server_that_gets_on_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However long it takes; that it takes long is said."""
    times = count(0.0, 60.0)
    with (
        caplog.at_level(logging.INFO),
        NatsServer(tmp_path, ROOM) as server,
        # Between two looks a minute passes.
        patch("kigeon.queue.broker.process.time", SimpleNamespace(monotonic=times.__next__, sleep=time.sleep)),
        patch("kigeon.queue.broker.process.work_of", side_effect=[Work(moved=look) for look in range(1, 10_000)]),
        patch("kigeon.queue.broker.process._takes_connections", side_effect=[*[False] * 50, True]),
    ):
        server.start()
        assert server.is_ready
    assert len([record for record in caplog.records if "still recovers" in record.message]) >= 49


def test_a_server_that_does_nothing_any_more_is_given_up(tmp_path: Path) -> None:
    times = count(0.0, 1.0)
    with (
        NatsServer(tmp_path, ROOM) as server,
        patch(
            "kigeon.queue.broker.process.time", SimpleNamespace(monotonic=times.__next__, sleep=lambda seconds: None)
        ),
        patch("kigeon.queue.broker.process.work_of", return_value=Work()),
        patch("kigeon.queue.broker.process._takes_connections", return_value=False),
    ):
        with pytest.raises(StartError, match=f"did not start in {tmp_path}: it has done nothing for a while"):
            server.start()
        assert not server.is_running
        assert not server.is_starting


def test_who_launches_a_server_need_not_wait_for_it(tmp_path: Path) -> None:
    with NatsServer(tmp_path, ROOM) as server:
        server.launch()
        assert (server.is_running, server.is_starting, server.is_ready) == (True, True, False)
        deadline = time.monotonic() + 30
        while not server.look() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert (server.is_running, server.is_starting, server.is_ready) == (True, False, True)


def test_a_restarted_server_that_can_not_write_where_it_listens_is_found_where_it_listened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk may still be full."""
    with NatsServer(tmp_path, 10**9) as server:
        server.start()
        port = server.port
        monkeypatch.setattr(process, "_read_port", lambda run: 0)
        server.restart()
        assert (server.is_ready, server.port) == (True, port)


def test_its_timers_may_be_late(server: NatsServer) -> None:
    assert int(Path(f"/proc/{server.pid}/timerslack_ns").read_text()) == TIMER_SLACK


def test_a_relative_directory_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with NatsServer(Path("data"), ROOM) as server:
        server.start()
        assert Path(f"/proc/{server.pid}/cwd").readlink() == Path("/")


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from kigeon.queue.broker.process import TIMER_SLACK, NatsServer\n"
        "with NatsServer(pathlib.Path(sys.argv[1]), 2**30) as server:\n"
        "    server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True) as starter:
        try:
            assert starter.stdout is not None
            pid = int(starter.stdout.readline())
        finally:
            starter.send_signal(signal.SIGKILL)
    with NatsServer(tmp_path, ROOM) as successor:
        deadline = time.monotonic() + 10
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_alive(pid)
        successor.start()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may stay a zombie where nobody waits for it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def test_who_does_not_know_the_token_is_refused(server: NatsServer) -> None:
    def answer(token: str) -> str:
        host, port = server.url.removeprefix("nats://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw, raw.makefile("rw", newline="\r\n") as line:
            assert line.readline().startswith("INFO ")
            line.write("CONNECT " + json.dumps({"verbose": False, "auth_token": token}) + "\r\nPING\r\n")
            line.flush()
            return line.readline().strip()

    assert answer("guessed") == "-ERR 'Authorization Violation'"
    assert answer(server.token) == "PONG"


def test_a_server_that_died_is_noticed_and_restarted_with_its_messages(
    server: NatsServer, settings: QueueSettings
) -> None:
    async def store(client: Client) -> None:
        async with writing(client, settings) as work:
            work.store(envelope(1))
            await work.until(lambda reports: len(reports) == 2)

    async def read(client: Client) -> None:
        await declare(client, settings)
        assert [message.sequence for message in await stored(client)] == [1]

    run_with_client(server, store)
    url, pid = server.url, server.pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while server.is_running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not server.is_running
    server.restart()
    assert (server.url, server.restarts) == (url, 1)
    assert server.pid != pid
    run_with_client(server, read)


def test_a_restarted_server_listens_where_it_did(server: NatsServer) -> None:
    before = server.url
    server.restart()
    assert server.url == before
