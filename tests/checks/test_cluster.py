"""What kigeon check --connect says of the cluster, with the cure."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.checking import Setup


def test_no_right_on_pods_and_all_at_once(setup: Setup, api: ApiServer, tmp_path: Path) -> None:
    """Only where they are needed."""
    api.denied = {("pods", "get"), ("namespaces", "watch")}
    assert setup.check() == (0, [])
    (tmp_path / "hook.star").write_text("def transform(config, event):\n    return config\n")
    setup.config["hook"] = {"script": str(tmp_path / "hook.star"), "enrichPod": True}
    said, cure = setup.failure()
    assert said == "rights: no right to get pods"
    assert cure == "grant get on pods (deploy/kubernetes/rbac.yaml)"
    setup.sender["filter"] = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    code, found = setup.check()
    assert (code, [finding.said for finding in found]) == (
        2,
        ["no right to watch namespaces", "no right to get pods"],
    )


@pytest.mark.parametrize(("ahead", "way"), [(-600.0, "ahead of"), (600.0, "behind")])
def test_a_clock_that_differs(setup: Setup, api: ApiServer, ahead: float, way: str) -> None:
    api.faults.clock_ahead = ahead
    said, cure = setup.failure()
    assert said.startswith("clock: this machine's clock is ")
    assert said.endswith(f"s {way} that of the API server")
    assert "NTP" in cure


def test_without_a_cluster_that_is_named(setup: Setup) -> None:
    setup.kubeconfig = setup.folder / "gone"
    said, cure = setup.failure()
    assert said.endswith("gone: there is no such file")
    assert "--kubeconfig" in cure


def test_credentials_that_are_no_more(setup: Setup, api: ApiServer) -> None:
    api.rotate_token()
    assert "renew the credentials" in setup.failure()[1]


def test_an_api_server_of_an_unknown_authority(setup: Setup, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    with ApiServer(context=context) as secure:
        setup.kubeconfig = secure.write_kubeconfig(tmp_path / "secure")
        assert "certificate-authority" in setup.failure()[1]
