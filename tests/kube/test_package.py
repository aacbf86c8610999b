"""What is imported of the kubernetes package, and that what is not can still be had."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

HEAVY = ("pydantic", "pydantic_core", "oauthlib.oauth2.rfc6749", "requests_oauthlib", "websocket")


def run(script: str, *arguments: str) -> list[str]:
    """Return the words that *script* prints in a process of its own."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_what_the_way_of_kigeon_does_not_need_is_not_imported() -> None:
    script = f"import sys, kigeon.kube.access; print(*(name for name in {HEAVY} if name in sys.modules))"
    assert run(script) == []


def test_who_wants_the_rest_has_it() -> None:
    wanted = "import pydantic, requests_oauthlib; from kubernetes.stream import stream; from kubernetes import watch"
    script = f"import kigeon.kube.access; {wanted}; print(pydantic.BaseModel.__name__, watch.Watch.__name__)"
    assert run(script) == ["BaseModel", "Watch"]


def test_a_version_that_needs_more_has_all() -> None:
    script = """
from kigeon import lean
standing_in = lean.standing_in
lean.standing_in = lambda name, **attributes: standing_in(name)
import sys
from kigeon.kube import package
print(type(package.ApiClient(package.Configuration())).__name__, "websocket" in sys.modules)
"""
    assert run(script) == ["ApiClient", "True"]


RENEWED = {"id_token": "renewed", "refresh_token": "next", "access_token": "x", "token_type": "Bearer"}


@pytest.fixture(params=[RENEWED, {"error": "invalid_client"}], ids=["renews", "refuses"])
def issuer(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Serve what an OpenID Connect provider does where a token has expired; yield its URL, and what comes of it."""

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer({"token_endpoint": f"{url}/token"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(request.param)

        def answer(self, told: dict[str, str]) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield url, request.param.get("id_token", "InvalidClientError")
        server.shutdown()


def test_a_token_of_openid_connect_that_has_expired_is_renewed_or_it_is_said_why_not(issuer: tuple[str, str]) -> None:
    url, outcome = issuer
    expired = base64.urlsafe_b64encode(json.dumps({"exp": time.time() - 60}).encode()).decode().rstrip("=")
    provider = {"id-token": f"head.{expired}.signature", "idp-issuer-url": url}
    config = {**provider, "client-id": "kigeon", "client-secret": "secret", "refresh-token": "first"}
    kubeconfig = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "it", "user": {"auth-provider": {"name": "oidc", "config": config}}}],
    }
    script = """
import json, os, sys, tempfile
from pathlib import Path
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from kigeon.errors import StartError
from kigeon.kube.client import credentials_of, load_client
from kigeon.kube.source import ClusterSource
with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
    file.write(sys.argv[1])
    file.flush()
    try:
        print(credentials_of(load_client(ClusterSource(Path(file.name)))[0])["authorization"])
    except StartError as error:
        print(error)
"""
    assert any(outcome in word for word in run(script, json.dumps(kubeconfig)))
