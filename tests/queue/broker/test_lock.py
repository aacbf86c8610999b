"""The lock of a data directory."""

import os
from pathlib import Path

import pytest

from kigeon.errors import DataDirectoryInUse, StartError
from kigeon.queue.broker.process import NatsServer

ROOM = 2**30
"""Bytes for the store of a server."""


def test_a_directory_has_one_server(server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kigeon.queue.broker.lock.LOCK_PATIENCE", 0.05)
    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"), NatsServer(tmp_path / "data", ROOM):
        pass


def test_a_directory_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"global\.dataDir .*/file/data can't be used"):
        NatsServer(tmp_path / "file" / "data", ROOM).__enter__()


def test_a_directory_without_room_for_its_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with (
        NatsServer(tmp_path, ROOM) as server,
        pytest.raises(StartError, match=rf"global\.dataDir {tmp_path} can't be used"),
    ):
        server.start()


def test_a_directory_is_free_when_its_server_has_ended(tmp_path: Path) -> None:
    with NatsServer(tmp_path, ROOM) as first:
        first.start()
        pid = first.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with NatsServer(tmp_path, ROOM) as second:
        second.start()
        assert second.is_running
