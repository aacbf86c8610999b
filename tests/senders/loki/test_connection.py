"""A push goes the way, and with the trust, that requests would give it, on few connections."""

import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kigeon.senders.entry import PushStatus
from kigeon.senders.loki import sink as sink_module
from kigeon.senders.loki.settings import BasicAuth, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.support.events import make_event
from tests.support.loki import Loki

PUSH_PATH = "/loki/api/v1/push"


class Recorder(ThreadingHTTPServer):
    """Takes every push, and notes the target, the headers and the client's port of each."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], int]] = []
        self.location = ""
        self.answers = True
        self.closes = False
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), RecordingHandler)

    def close_connections(self) -> None:
        """Do as one does that ends, in all that a client notices."""
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class RecordingHandler(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), self.client_address[1]))
        if not self.server.answers:
            self.close_connection = True
            return
        self.send_response(302 if self.server.location else 204)
        if self.server.location:
            self.send_header("Location", self.server.location)
            self.send_header("Content-Length", "0")
        self.send_header("Set-Cookie", "a=b")
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Recorder() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def push(sink: LokiSink, settings: LokiSettings) -> PushStatus:
    entry = sink.entry(make_event(1), settings)
    return sink.push(entry.destination, [entry]).status


def push_once(settings: LokiSettings) -> PushStatus:
    sink = LokiSink(settings)
    try:
        return push(sink, settings)
    finally:
        sink.close()


def test_a_proxy_of_the_environment_is_used_with_its_credentials(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", recorder.url.replace("//", "//me:secret@"))
    auth = BasicAuth("user", "password")
    assert push_once(LokiSettings("http://loki.invalid:3100", "tenant", basic_auth=auth)) is PushStatus.DELIVERED
    ((target, headers, _),) = recorder.taken
    assert target == f"http://loki.invalid:3100{PUSH_PATH}"
    assert headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Basic dXNlcjpwYXNzd29yZA==", "tenant")


def test_no_proxy_is_honoured(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://nobody.invalid:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert push_once(LokiSettings(recorder.url)) is PushStatus.DELIVERED
    assert [target for target, _, _ in recorder.taken] == [PUSH_PATH]


def test_nothing_is_sent_on_to_where_an_answer_points(recorder: Recorder) -> None:
    recorder.location = f"{recorder.url}/elsewhere"
    assert push_once(LokiSettings(recorder.url)) is PushStatus.HOLD
    assert len(recorder.taken) == 1


def test_tenants_share_a_connection_and_no_header_is_left_from_the_last(recorder: Recorder) -> None:
    sink = LokiSink(LokiSettings(recorder.url))
    try:
        verdicts = [push(sink, LokiSettings(recorder.url, tenant)) for tenant in ("a", None, "b")]
    finally:
        sink.close()
    assert verdicts == [PushStatus.DELIVERED] * 3
    assert [headers.get("X-Scope-OrgID") for _, headers, _ in recorder.taken] == ["a", None, "b"]
    assert [headers.get("Cookie") for _, headers, _ in recorder.taken] == [None] * 3
    assert len({port for _, _, port in recorder.taken}) == 1


@pytest.mark.parametrize("tenant", [" a", "a\nX-Other: b", "語"])
def test_a_tenant_that_is_no_header_is_not_sent(recorder: Recorder, tenant: str) -> None:
    assert push_once(LokiSettings(recorder.url, tenant)) is PushStatus.RETRY
    assert recorder.taken == []


def test_an_authority_of_the_environment_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    named = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *named], check=True, capture_output=True)
    with Loki((certificate, key)) as server:
        assert push_once(LokiSettings(server.url)) is PushStatus.HOLD
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert push_once(LokiSettings(server.url)) is PushStatus.DELIVERED
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        assert push_once(LokiSettings(server.url)) is PushStatus.RETRY
        assert push_once(LokiSettings(server.url, insecure_skip_verify=True)) is PushStatus.DELIVERED


def generation_after(sink: LokiSink, settings: LokiSettings) -> int:
    entry = sink.entry(make_event(1), settings)
    return sink.push(entry.destination, [entry]).generation


def test_a_loki_that_was_restarted_between_two_pushes_is_noticed_by_whoever_shares_the_connection(
    recorder: Recorder,
) -> None:
    sink = LokiSink(LokiSettings(recorder.url))
    a, b = LokiSettings(recorder.url, "a"), LokiSettings(recorder.url, "b")
    try:
        first = generation_after(sink, a)
        assert generation_after(sink, b) == first
        recorder.close_connections()
        assert generation_after(sink, a) > first
        second = generation_after(sink, b)
        assert second == generation_after(sink, a) > first
    finally:
        sink.close()


def test_a_push_without_an_answer_is_noticed_too(recorder: Recorder) -> None:
    sink = LokiSink(LokiSettings(recorder.url))
    a, b = LokiSettings(recorder.url, "a"), LokiSettings(recorder.url, "b")
    try:
        first = generation_after(sink, a)
        recorder.answers = False
        assert push(sink, a) is PushStatus.RETRY
        recorder.answers = True
        assert generation_after(sink, b) > first
    finally:
        sink.close()


def test_a_server_that_closes_each_connection_is_not_taken_for_one_that_is_restarted_each_time(
    recorder: Recorder,
) -> None:
    recorder.closes = True
    sink = LokiSink(LokiSettings(recorder.url))
    try:
        assert len({generation_after(sink, LokiSettings(recorder.url)) for _ in range(3)}) == 1
    finally:
        sink.close()
    assert len({port for _, _, port in recorder.taken}) == 3


def test_a_connection_that_was_dropped_for_others_is_another_one_later(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "MAX_CONNECTIONS", 1)
    sink = LokiSink(LokiSettings(recorder.url))
    try:
        first = generation_after(sink, LokiSettings(recorder.url))
        push(sink, LokiSettings(recorder.url, basic_auth=BasicAuth("user", "password")))
        assert generation_after(sink, LokiSettings(recorder.url)) > first
    finally:
        sink.close()
