"""Which cluster is found."""

from pathlib import Path

import pytest

from kigeon.errors import StartError
from kigeon.kube.discovery import discover
from kigeon.kube.source import ClusterSource


def test_nothing_found_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StartError) as caught:
        discover(None, {"KUBECONFIG": "/nowhere/config"})
    for part in ("service account", "KUBECONFIG (/nowhere/config)", f"{tmp_path}/.kube/config", "--kubeconfig"):
        assert part in str(caught.value)


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="there is no such file"):
        discover(tmp_path / "missing", {})


def test_the_first_file_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".kube" / "config"
    default.parent.mkdir()
    default.touch()
    assert discover(None, {}) == ClusterSource(default)
    other = tmp_path / "other"
    other.touch()
    assert discover(None, {"KUBECONFIG": f"{tmp_path}/missing:{other}"}) == ClusterSource(other)
