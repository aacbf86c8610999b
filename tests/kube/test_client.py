"""Credentials over real TLS: a Pod's own with a token that is rotated, client certificates, an exec plug-in."""

import base64
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from kigeon.errors import KubernetesError, StartError, Unauthorized
from kigeon.kube import access as access_module
from kigeon.kube import client as client_module
from kigeon.kube import discovery as discovery_module
from kigeon.kube import kubeconfig as kubeconfig_module
from kigeon.kube.access import ClusterAccess
from kigeon.kube.discovery import discover
from kigeon.kube.source import ClusterSource
from kigeon.standin.apiserver import ApiServer
from tests.kube.proxy import Proxy
from tests.support.processes import is_running, wait_until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(files[1]), "-out", str(files[0])]
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


def kubeconfig(api: ApiServer, folder: Path, certificate: Path, user: Mapping[str, object]) -> ClusterAccess:
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
    for module in (client_module, discovery_module):
        monkeypatch.setattr(module, "SERVICE_TOKEN_FILENAME", str(token))
        monkeypatch.setattr(module, "SERVICE_CERT_FILENAME", str(certificate[0]))
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


def rewrite(path: Path, cluster: Mapping[str, object] | None = None, user: Mapping[str, object] | None = None) -> None:
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"] |= cluster or {}
    document["users"][0]["user"] = document["users"][0]["user"] if user is None else dict(user)
    path.write_text(yaml.safe_dump(document))


def test_client_certificates_and_an_authority_in_the_file_itself(
    api: ApiServer, context: ssl.SSLContext, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(certificate[0]))
    shown, key = (base64.b64encode(path.read_bytes()).decode() for path in certificate)
    path = api.write_kubeconfig(tmp_path / "config")
    user = {"token": api.token, "client-certificate-data": shown, "client-key-data": key}
    rewrite(path, {"certificate-authority-data": shown}, user)
    assert lists(ClusterAccess(ClusterSource(path)))


def test_several_files_are_one_as_kubectl_merges_them(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two current contexts, or two users of a name, the first counts; paths are relative to their own file."""
    for name in ("users", "clusters"):
        (tmp_path / name).mkdir()
    whole = yaml.safe_load(api.write_kubeconfig(tmp_path / "whole").read_text())
    (tmp_path / "clusters" / "ca.pem").write_bytes(certificate[0].read_bytes())
    (tmp_path / "users" / "token").write_text(api.token)
    whole["clusters"][0]["cluster"]["certificate-authority"] = "ca.pem"
    first, second = tmp_path / "users" / "config", tmp_path / "clusters" / "config"
    first.write_text(
        yaml.safe_dump(
            {
                "current-context": "stand-in",
                "contexts": whole["contexts"],
                "users": [{"name": "kigeon", "user": {"tokenFile": "token"}}],
            }
        )
    )
    second.write_text(
        yaml.safe_dump(
            {
                "current-context": "another",
                "clusters": whole["clusters"],
                "users": [{"name": "kigeon", "user": {"token": "wrong"}}],
            }
        )
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    source = discover(None, {"KUBECONFIG": f"{first}:{tmp_path}/missing:{second}"})
    assert source == ClusterSource(first, (second,))
    assert lists(ClusterAccess(source))


VERSION = "client.authentication.k8s.io/v1"


def plug_in(code: str, **more: object) -> dict[str, object]:
    command = {"command": sys.executable, "args": ["-c", code], "interactiveMode": "Never"}
    return {"exec": {"apiVersion": VERSION, **command, **more}}


def test_an_exec_plug_in_that_hangs_is_ended_and_asked_again(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever it has started, which holds its pipes open."""
    monkeypatch.setattr(kubeconfig_module, "PLUGIN_TIMEOUT", 1.0)
    answer, child = tmp_path / "answer.json", tmp_path / "child"
    code = (
        f"import os, subprocess\nif os.path.exists({str(answer)!r}): print(open({str(answer)!r}).read())\n"
        f"else:\n  p = subprocess.Popen(['sleep', '1000']); open({str(child)!r}, 'w').write(str(p.pid)); p.wait()"
    )
    access = kubeconfig(api, tmp_path, certificate[0], plug_in(code))
    wait_until(lambda: not is_running(int(child.read_text())))
    with pytest.raises(Unauthorized):
        lists(access)
    answer.write_text(json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": api.token}}))
    access.refresh()
    assert lists(access)
    answer.unlink()
    access.refresh()
    assert lists(access)


def test_an_exec_plug_ins_answer_is_renewed_before_it_expires(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "REFRESH_EVERY", 0.0)
    answer = tmp_path / "answer.json"

    def answer_with(token: str, seconds: float) -> None:
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"token": token, "expirationTimestamp": until}
        answer.write_text(json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status}))

    answer_with(api.token, 5.0)
    access = kubeconfig(api, tmp_path, certificate[0], plug_in(f"print(open({str(answer)!r}).read())"))
    api.rotate_token()
    answer_with(api.token, 3600.0)
    assert lists(access)
    answer_with("wrong", 3600.0)
    assert lists(access)


def test_an_exec_plug_in_may_give_a_certificate_and_is_told_of_the_cluster(
    api: ApiServer, context: ssl.SSLContext, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(certificate[0]))
    told = tmp_path / "told.json"
    code = (
        f"import json, os\nopen({str(told)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO'] + os.environ['MORE'])\n"
        f"status = {{'token': {api.token!r}, 'clientCertificateData': open({str(certificate[0])!r}).read(), "
        f"'clientKeyData': open({str(certificate[1])!r}).read()}}\n"
        f"print(json.dumps({{'apiVersion': {VERSION!r}, 'kind': 'ExecCredential', 'status': status}}))"
    )
    environ = [{"name": "MORE", "value": "!"}]
    access = kubeconfig(api, tmp_path, certificate[0], plug_in(code, provideClusterInfo=True, env=environ))
    assert lists(access)
    info = told.read_text()
    assert info.endswith("!")
    assert json.loads(info[:-1])["spec"] == {"interactive": False, "cluster": {"server": api.url}}


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (plug_in("raise SystemExit(3)"), "ended with 3"),
        (plug_in("print('rubbish')"), "did not answer with an ExecCredential"),
        (plug_in("print('{}')"), "did not answer with an ExecCredential"),
        (plug_in(f'print(\'{{"apiVersion": "{VERSION}", "status": {{}}}}\')'), "neither a token nor"),
        (plug_in("", interactiveMode="Always"), "wants a terminal"),
        ({"exec": {"apiVersion": VERSION, "command": "/nowhere/plug-in"}}, "can't be run"),
    ],
)
def test_an_exec_plug_in_that_fails_is_said_and_is_no_reason_to_end(
    api: ApiServer,
    tmp_path: Path,
    certificate: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
    user: dict[str, object],
    said: str,
) -> None:
    access = kubeconfig(api, tmp_path, certificate[0], user)
    assert said in caplog.records[-1].__dict__["error"]
    with pytest.raises(Unauthorized):
        lists(access)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as running:
        yield running


def test_a_clusters_own_proxy_with_a_password(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts before what the environment says of all."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    path = api.write_kubeconfig(tmp_path / "config")
    rewrite(path, {"certificate-authority": str(certificate[0]), "proxy-url": f"http://me:s%2Fcret@{proxy.address}"})
    assert lists(ClusterAccess(ClusterSource(path)))
    assert proxy.tunnels == [api.url.removeprefix("https://")]
    assert base64.b64decode(proxy.credentials[0].removeprefix("Basic ")) == b"me:s/cret"


@pytest.mark.parametrize(("without", "uses"), [("", True), ("example.com", True), ("127.0.0.0/8", False), ("*", False)])
def test_the_environments_proxy(
    api: ApiServer,
    tmp_path: Path,
    certificate: tuple[Path, Path],
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    without: str,
    uses: bool,
) -> None:
    for name in ("https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("NO_PROXY", without)
    assert lists(kubeconfig(api, tmp_path, certificate[0], {"token": api.token}))
    assert bool(proxy.tunnels) == uses


@pytest.mark.parametrize("address", ["http://me:s3cret@127.0.0.1:a", "ftp://me:s3cret@127.0.0.1:1"])
def test_a_proxys_address_that_can_not_be_used_is_not_told(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], address: str
) -> None:
    path = api.write_kubeconfig(tmp_path / "config")
    rewrite(path, {"certificate-authority": str(certificate[0]), "proxy-url": address})
    with pytest.raises(StartError, match="the proxy's address can't be used") as caught:
        ClusterAccess(ClusterSource(path))
    assert "s3cret" not in str(caught.value)


def test_the_address_of_a_proxy_that_is_not_used_is_not_read(
    api: ApiServer, tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://me:s3/cret@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert lists(kubeconfig(api, tmp_path, certificate[0], {"token": api.token}))


def test_a_name_of_the_servers_own_is_what_its_certificate_is_looked_at_for(
    tmp_path: Path, named: tuple[Path, Path]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, named))
    asked: list[str] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(str(name))
    with ApiServer(context=context) as api:
        path = api.write_kubeconfig(tmp_path / "config")
        rewrite(path, {"certificate-authority": str(named[0])})
        with pytest.raises(KubernetesError, match="does not answer"):
            lists(ClusterAccess(ClusterSource(path)))
        rewrite(path, {"tls-server-name": "kubernetes.test"})
        assert lists(ClusterAccess(ClusterSource(path)))
        assert asked[-1] == "kubernetes.test"


@pytest.fixture
def named(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of a name that resolves to nothing, and its key."""
    files = tmp_path / "named.pem", tmp_path / "named-key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kubernetes.test"]
    more = ["-addext", "subjectAltName=DNS:kubernetes.test", "-keyout", str(files[1]), "-out", str(files[0])]
    subprocess.run([*made, *more], check=True, capture_output=True)
    return files


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_verification_where_none_is_wanted(api: ApiServer, tmp_path: Path) -> None:
    path = api.write_kubeconfig(tmp_path / "config")
    rewrite(path, {"insecure-skip-tls-verify": True})
    assert lists(ClusterAccess(ClusterSource(path)))


def test_an_ipv6_address(tmp_path: Path) -> None:
    try:
        api = ApiServer(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with api:
        assert lists(ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config"))))
