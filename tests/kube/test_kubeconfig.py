"""Kubeconfig files, read as kubectl reads them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.kube.kubeconfig import active, read_kubeconfigs, with_plugin, without_plugin


def write(path: Path, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_of_two_files_the_first_says_what_both_say(tmp_path: Path) -> None:
    first = write(tmp_path / "a", clusters=[{"name": "c", "cluster": {"server": "1"}}], **{"current-context": "x"})
    second = write(
        tmp_path / "b",
        clusters=[{"name": "c", "cluster": {"server": "2"}}, {"name": "d", "cluster": {"server": "3"}}],
        users=[{"name": "u", "user": {"token": "t"}}],
        **{"current-context": "y"},
    )
    merged = read_kubeconfigs([first, second])
    assert merged["current-context"] == "x"
    assert {entry["name"]: entry["cluster"]["server"] for entry in merged["clusters"]} == {"c": "1", "d": "3"}
    assert [entry["name"] for entry in merged["users"]] == ["u"]


def test_what_the_first_leaves_empty_the_second_says(tmp_path: Path) -> None:
    files = [write(tmp_path / "a", **{"current-context": ""}), write(tmp_path / "b", **{"current-context": "y"})]
    assert read_kubeconfigs(files)["current-context"] == "y"


def test_paths_are_those_beside_the_file_and_a_command_is_looked_for_on_the_path(tmp_path: Path) -> None:
    user = {"client-key": "keys/a.pem", "tokenFile": "/abs", "exec": {"command": "./get"}}
    found = read_kubeconfigs([write(tmp_path / "sub" / "config", users=[{"name": "u", "user": user}])])
    assert found["users"][0]["user"] == {
        "client-key": f"{tmp_path}/sub/keys/a.pem",
        "tokenFile": "/abs",
        "exec": {"command": f"{tmp_path}/sub/get"},
    }
    plain = write(tmp_path / "other", users=[{"name": "u", "user": {"exec": {"command": "get"}}}])
    assert read_kubeconfigs([plain])["users"][0]["user"]["exec"]["command"] == "get"


@pytest.mark.parametrize("content", ["- a", "hunter2", "users: hunter2", "users: [hunter2]"])
def test_what_is_none_is_named_and_not_repeated(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    with pytest.raises(ValueError, match="is not a") as caught:
        read_kubeconfigs([tmp_path / "config"])
    assert str(tmp_path / "config") in str(caught.value)
    assert "hunter2" not in str(caught.value)


CONFIG: dict[str, Any] = {
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://one"}}],
    "users": [{"name": "u", "user": {"token": "t"}}, {"name": "other", "user": {"token": "o"}}],
}


def test_the_current_context_names_cluster_and_user() -> None:
    assert (active(CONFIG, "cluster"), active(CONFIG, "user")) == ({"server": "https://one"}, {"token": "t"})
    assert active({**CONFIG, "current-context": "gone"}, "user") == {}
    assert active({}, "cluster") == {}


def test_other_credentials_are_those_of_the_current_user_alone() -> None:
    changed = without_plugin(CONFIG, {"token": "new"})
    assert [entry["user"]["token"] for entry in changed["users"]] == ["new", "o"]
    assert active(without_plugin(CONFIG), "user") == {}
    assert active(CONFIG, "user") == {"token": "t"}


def test_without_a_plugin_nothing_is_changed() -> None:
    assert with_plugin(CONFIG) == (CONFIG, None)
