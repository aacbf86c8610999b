from pathlib import Path

import pytest
import yaml

from kigeon.errors import KubernetesError, StartError, Unauthorized
from kigeon.kube.access import ClusterAccess
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer


@pytest.mark.parametrize("broken", ["users: [{name: u, user: {token: s3cr3t}}]", "{", "users: s3cr3t", ""])
def test_a_broken_kubeconfig_is_named_and_its_token_is_not_told(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "config"
    path.write_text(broken)
    with pytest.raises(StartError, match="can't be used as credentials") as caught:
        ClusterAccess(ClusterSource(path))
    assert str(path) in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_requests_carry_the_token_and_a_rotated_one_after_a_refresh(tmp_path: Path) -> None:
    with ApiServer() as api:
        path = api.write_kubeconfig(tmp_path / "config")
        access = ClusterAccess(ClusterSource(path))
        assert b"EventList" in access.read("/api/v1/events", {"limit": "1"})
        api.rotate_token()
        with pytest.raises(Unauthorized):
            access.read("/api/v1/events", {"limit": "1"})
        api.write_kubeconfig(path)
        access.refresh()
        assert b"EventList" in access.read("/api/v1/events", {"limit": "1"})


def test_credentials_that_can_not_be_read_again_leave_the_old_ones_in_use(tmp_path: Path) -> None:
    with ApiServer() as api:
        path = api.write_kubeconfig(tmp_path / "config")
        access = ClusterAccess(ClusterSource(path))
        path.write_text("{")
        access.refresh()
        assert b"EventList" in access.read("/api/v1/events", {"limit": "1"})


def test_a_token_file_may_end_in_a_newline(tmp_path: Path) -> None:
    with ApiServer() as api:
        path = api.write_kubeconfig(tmp_path / "config")
        (tmp_path / "token").write_text(f"{api.token}\n")
        document = yaml.safe_load(path.read_text())
        document["users"] = [{"name": "kigeon", "user": {"tokenFile": str(tmp_path / "token")}}]
        path.write_text(yaml.safe_dump(document))
        assert b"EventList" in ClusterAccess(ClusterSource(path)).read("/api/v1/events", {"limit": "1"})


def test_an_error_tells_its_status_and_retry_after(tmp_path: Path) -> None:
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        api.faults.fail_next(1, 429, retry_after=7)
        with pytest.raises(KubernetesError) as caught:
            access.read("/api/v1/events", {})
        assert (caught.value.status, caught.value.retry_after) == (429, 7.0)


def test_a_server_that_is_away_is_an_error_without_status(tmp_path: Path) -> None:
    with ApiServer() as api:
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
    with pytest.raises(KubernetesError) as caught:
        access.read("/api/v1/events", {})
    assert caught.value.status == 0


@pytest.mark.parametrize(
    "server",
    ["http://kigeon:s3cr3t@127.0.0.1:1", "http://kigeon:s3cr3t@127.0.0.1:a", "http://kigeon:s3cr3t@127.0.0.1:99999"],
)
def test_a_password_in_the_address_is_not_told(tmp_path: Path, server: str) -> None:
    with ApiServer() as api:
        path = api.write_kubeconfig(tmp_path / "config")
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"]["server"] = server
    path.write_text(yaml.safe_dump(document))
    access = ClusterAccess(ClusterSource(path))
    with pytest.raises(KubernetesError, match=r"does not answer|can't be read") as caught:
        access.read("/api/v1/events", {}, 1.0)
    assert "s3cr3t" not in f"{caught.value}{access.host}"
