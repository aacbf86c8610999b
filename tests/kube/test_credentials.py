"""Credentials over real TLS: a Pod's own with a token that is rotated, client certificates, an exec plug-in."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kigeon.errors import KubernetesError, Unauthorized
from kigeon.kube import access as access_module
from kigeon.kube.access import ClusterAccess, discover
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[1], "-out", files[0]]
    subprocess.run([*made, *more], check=True, capture_output=True)
    return files


@pytest.fixture
def context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    return context


@pytest.fixture
def api(context: ssl.SSLContext) -> Iterator[ApiServer]:
    with ApiServer(context=context) as server:
        yield server


def kubeconfig(api: ApiServer, folder: Path, certificate: Path, user: dict[str, object]) -> ClusterAccess:
    """Return access by a kubeconfig with *user*'s credentials."""
    path = api.write_kubeconfig(folder / "config")
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"]["certificate-authority"] = str(certificate)
    document["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(document))
    return ClusterAccess(ClusterSource(path))


def lists(access: ClusterAccess) -> bool:
    return b"EventList" in access.read("/api/v1/events", {"limit": "1"})


def test_a_pods_own_credentials_and_a_token_that_is_rotated(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(api.token + "\n")
    monkeypatch.setattr(access_module, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(access_module, "SERVICE_CERT_FILENAME", str(certificate[0]))
    host, port = api.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    # The way to the API server of one's own cluster never leads through a proxy.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    source = discover(None)
    assert source == ClusterSource()
    access = ClusterAccess(source)
    assert lists(access)
    api.rotate_token()
    token.write_text(api.token)
    with pytest.raises(Unauthorized):
        lists(access)
    access.refresh()
    assert lists(access)


def test_client_certificates(
    api: ApiServer, context: ssl.SSLContext, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(certificate[0]))
    token = {"token": api.token}
    shown = {"client-certificate": str(certificate[0]), "client-key": str(certificate[1])}
    assert lists(kubeconfig(api, tmp_path, certificate[0], {**token, **shown}))
    with pytest.raises(KubernetesError):
        lists(kubeconfig(api, tmp_path, certificate[0], token))


def test_an_exec_plug_in_is_asked_again_after_a_refusal(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    answer = tmp_path / "answer.json"

    def answer_with(token: str) -> None:
        version = "client.authentication.k8s.io/v1"
        answer.write_text(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}}))

    answer_with(api.token)
    command = {"command": sys.executable, "args": ["-c", f"print(open({str(answer)!r}).read())"]}
    plug_in = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", **command}}
    access = kubeconfig(api, tmp_path, certificate[0], plug_in)
    assert lists(access)
    api.rotate_token()
    with pytest.raises(Unauthorized):
        lists(access)
    answer_with(api.token)
    access.refresh()
    assert lists(access)


def test_a_server_that_nobody_vouches_for_is_not_talked_to(api: ApiServer, tmp_path: Path) -> None:
    access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
    with pytest.raises(KubernetesError, match="does not answer"):
        lists(access)
