"""What goes over the wire and what comes back, byte by byte: a server that notes requests and answers as it is told."""

import base64
import gzip
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.line import fields_to_send, line_of
from kigeon.senders.loki.answers import answer_of, seconds_of
from kigeon.senders.loki.settings import ENCODINGS, BasicAuth, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.stdout.sink import StdoutSink
from tests.support.events import make_event
from tests.support.loki.request import parse


@dataclass
class Gateway:
    """``requests`` are path, headers (names in small letters) and body of each that came."""

    url: str
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            gateway.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(gateway.status)
            for key, value in {**gateway.headers, "Content-Length": str(len(gateway.body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(gateway.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway = Gateway(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield gateway
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(name="gateway")
def answering_gateway() -> Iterator[Gateway]:
    with running() as answering:
        yield answering


@contextmanager
def pushing(settings: LokiSettings) -> Iterator[LokiSink]:
    sink = LokiSink(settings)
    try:
        yield sink
    finally:
        sink.close()


def push(settings: LokiSettings, times: int = 1) -> Answer:
    with pushing(settings) as sink:
        entries = [sink.entry(make_event(number), None) for number in (1, 2)]
        return [sink.push(entries[0].destination, entries) for _ in range(times)][-1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_push_without_tenant_and_credentials_says_nothing_of_them(gateway: Gateway, encoding: str) -> None:
    assert push(LokiSettings(f"{gateway.url}/", encoding=encoding)).status is PushStatus.DELIVERED
    ((path, headers, body),) = gateway.requests
    assert path == "/loki/api/v1/push"
    assert headers["content-type"] == f"application/{'json' if encoding == 'json' else 'x-protobuf'}"
    assert not {"x-scope-orgid", "authorization"} & set(headers)
    streams = parse("", {name.title(): value for name, value in headers.items()}, body)
    assert sum(len(stream.lines) for stream in streams) == 2


def test_a_push_with_credentials_has_them_as_utf_8(gateway: Gateway) -> None:
    push(LokiSettings(gateway.url, "team a", basic_auth=BasicAuth("me", "pä:ss")))
    ((_, headers, _),) = gateway.requests
    assert headers["x-scope-orgid"] == "team a"
    assert headers["authorization"] == f"Basic {base64.b64encode('me:pä:ss'.encode()).decode()}"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_repeated_push_has_the_same_bytes(gateway: Gateway, encoding: str) -> None:
    push(LokiSettings(gateway.url, encoding=encoding), times=2)
    (_, _, first), (_, _, second) = gateway.requests
    assert first == second


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait_is_taken_from_the_answer(gateway: Gateway, status: int) -> None:
    gateway.status, gateway.headers, gateway.body = status, {"Retry-After": "17"}, b"too\nmany"
    assert push(LokiSettings(gateway.url)) == Answer(
        PushStatus.RETRY, f"{status} too many", 17.0, concerns_all=status == 503
    )


def test_a_reason_that_is_gzipped_is_read_and_one_that_is_damaged_is_no_answer(gateway: Gateway) -> None:
    gateway.status, gateway.headers, gateway.body = 400, {"Content-Encoding": "gzip"}, gzip.compress(b"too old")
    assert push(LokiSettings(gateway.url)) == Answer(PushStatus.INVALID, "400 too old")
    gateway.body = b"no gzip"
    assert push(LokiSettings(gateway.url)).status is PushStatus.RETRY


def test_a_redirection_is_not_followed(gateway: Gateway) -> None:
    with running() as elsewhere:
        gateway.status, gateway.headers = 307, {"Location": f"{elsewhere.url}/loki/api/v1/push"}
        assert push(LokiSettings(gateway.url, basic_auth=BasicAuth("me", "secret"))).status is PushStatus.HOLD
        assert elsewhere.requests == []


def test_a_port_where_nobody_listens_is_tried_again_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = push(LokiSettings(f"http://127.0.0.1:{port}", basic_auth=BasicAuth("me", "s3cr3t")))
    assert answer.status is PushStatus.RETRY
    assert answer.reason.startswith("no answer: ")
    assert "s3cr3t" not in answer.reason


@given(st.integers(200, 599))
def test_only_200_and_204_are_stored_and_only_trouble_is_retried(status: int) -> None:
    verdict = answer_of(status, b"").status
    assert (verdict is PushStatus.DELIVERED) == (status in (200, 204))
    assert (verdict is PushStatus.RETRY) == (status == 429 or status >= 500)
    assert (verdict is PushStatus.INVALID) == (status == 400)
    assert (verdict is PushStatus.SPLIT) == (status == 413)


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,30}", fullmatch=True))
def test_no_retry_after_of_a_server_can_raise(header: str) -> None:
    seconds = seconds_of(header)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "header",
    [
        *("Sun, 01 Mar 2026 10:00:30", "Sun, 99 Mar 2026 10:00:30 GMT", "Sun, 01 Mar 99999 10:00:30 GMT", "²", "1e9"),
        *("Sun, 01 Mar 99999999999999 10:00:30 GMT", "Sun, 01 Mar 2026 10:00:30 +999999999999999999999", " "),
    ],
)
def test_what_is_neither_seconds_nor_a_date_says_nothing(header: str) -> None:
    assert seconds_of(header) is None


def test_the_default_division_of_fields() -> None:
    with pushing(LokiSettings("http://loki")) as sink:
        entry = sink.entry(make_event(1), None)
    assert dict(entry.stream) == {"namespace": "shop", "type": "Warning", "service_name": "kigeon"}
    assert list(entry.metadata) == [
        "level", "involved_object_kind", "involved_object_name", "reason", "source_component", "source_host",
        "event_uid",
    ]  # fmt: skip


def test_what_an_event_does_not_have_is_absent_from_its_line() -> None:
    assert (
        line_of(fields_to_send({"metadata": {"name": "a.1"}, "reason": "", "count": 0})) == '{"name":"a.1","count":1}'
    )


def test_lines_that_do_not_fit_into_the_pipe_at_once_are_written_whole() -> None:
    reading, writing = os.pipe()
    sink = StdoutSink(writing)
    entries = [sink.entry(make_event(number, message="ü" * 2000), None) for number in range(100)]
    found: list[bytes] = []

    def read() -> None:
        with os.fdopen(reading, "rb") as pipe:
            found.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    answer = sink.push(entries[0].destination, entries)
    os.close(writing)
    reader.join()
    assert answer.status is PushStatus.DELIVERED
    assert found[0].decode() == "".join(f"{entry.line}\n" for entry in entries)


def test_a_line_break_in_a_message_breaks_no_line() -> None:
    line = StdoutSink().entry(make_event(1, message="one\ntwo\r\u2028three"), None).line
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["message"] == "one\ntwo\r\u2028three"
