"""Pushes to a real server on loopback, what their answers mean, and how lanes and the pipe take them."""

import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kigeon.senders.delivery.lane import MAX_PUSH_BYTES, Item, Lane
from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.answers import answer_of, seconds_of
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import BasicAuth, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.progress.envelope import EnvelopeProgress
from tests.support.events import make_event
from tests.support.loki import Loki


def push(settings: LokiSettings, *events: dict[str, object]) -> PushStatus:
    """Push events as a sender with *settings* does."""
    sink = LokiSink(settings)
    try:
        entries = [sink.entry(event, None) for event in events or (make_event(1),)]
        return sink.push(entries[0].destination, entries).status
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (204, PushStatus.DELIVERED),
        (200, PushStatus.DELIVERED),
        (260, PushStatus.HOLD),
        (202, PushStatus.HOLD),
        (302, PushStatus.HOLD),
        (400, PushStatus.INVALID),
        (401, PushStatus.HOLD),
        (403, PushStatus.HOLD),
        (404, PushStatus.HOLD),
        (413, PushStatus.SPLIT),
        (429, PushStatus.RETRY),
        (500, PushStatus.RETRY),
        (503, PushStatus.RETRY),
    ],
)
def test_what_an_answer_means(loki: Loki, status: int, verdict: PushStatus) -> None:
    loki.answer_next(1, status)
    assert push(LokiSettings(loki.url)) is verdict


@pytest.mark.parametrize(
    ("encoding", "kind", "compression"),
    [("protobuf", "application/x-protobuf", None), ("json", "application/json", "gzip")],
)
def test_a_push_carries_tenant_credentials_and_its_encoding(
    loki: Loki, encoding: str, kind: str, compression: str | None
) -> None:
    loki.credentials = ("me", "pässword")
    auth = BasicAuth("me", "pässword")
    assert push(LokiSettings(loki.url, "tenant", {"app": "k"}, auth, encoding=encoding)) is PushStatus.DELIVERED
    (sent,) = loki.pushes
    assert (sent.tenant, sent.headers["Content-Type"], sent.headers.get("Content-Encoding")) == (
        "tenant",
        kind,
        compression,
    )
    assert sent.headers["User-Agent"].startswith("kigeon/")


def test_wrong_credentials_hold_and_a_netrc_file_is_not_asked(
    loki: Loki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loki.credentials = ("me", "right")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password right\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert push(LokiSettings(loki.url)) is PushStatus.HOLD
    assert push(LokiSettings(loki.url, basic_auth=BasicAuth("me", "wrong"))) is PushStatus.HOLD


@pytest.mark.parametrize("when", ["cut_before", "cut_after"])
def test_a_connection_that_is_cut_is_tried_again_later(loki: Loki, when: str) -> None:
    setattr(loki, when, 1)
    assert push(LokiSettings(loki.url)) is PushStatus.RETRY


def test_nobody_there_is_tried_again_later() -> None:
    with Loki() as gone:
        url = gone.url
    assert push(LokiSettings(url)) is PushStatus.RETRY


def test_a_certificate_that_nobody_vouches_for_holds_unless_it_is_not_verified(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    assert ssl.OPENSSL_VERSION
    with Loki((certificate, key)) as server:
        assert push(LokiSettings(server.url)) is PushStatus.HOLD
        assert push(LokiSettings(server.url, insecure_skip_verify=True)) is PushStatus.DELIVERED


def test_a_reason_is_told_and_cut() -> None:
    answer = answer_of(400, b"entry too old\n" + b"x" * 5000)
    assert answer.reason.startswith("400 entry too old x")
    assert len(answer.reason) < 600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("Sun, 01 Mar 2026 10:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, datetime(2026, 3, 1, 10, tzinfo=UTC)) == seconds


DESTINATION = LokiDestination("http://loki")


def item(number: int, size: int = 100, retry: bool = False) -> Item:
    page = EnvelopeProgress(1, number, 1, offsets=(number,) if retry else ())
    return Item(page, 0, b"", LokiEntry(DESTINATION, (), 0, "", {}, size))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_push_takes_as_much_as_fits_and_always_something() -> None:
    lane = Lane(DESTINATION)
    lane.add(item(number, MAX_PUSH_BYTES // 2) for number in range(3))
    lane.add([item(9, 2 * MAX_PUSH_BYTES)])
    assert [len(lane.take()) for _ in range(4)] == [2, 1, 1, 0]


def test_what_comes_from_the_retry_stream_goes_first() -> None:
    lane = Lane(DESTINATION)
    lane.add([item(5), item(6)])
    lane.add([item(1, retry=True), item(2, retry=True)])
    assert lane.has_retries
    assert [taken.page.first for taken in lane.take()] == [1, 2, 5, 6]


def test_a_refusal_keeps_the_order_unloads_what_is_safe_and_waits() -> None:
    clock = Clock()
    lane = Lane(DESTINATION, clock=clock)
    lane.add([item(5), item(6)])
    lane.add([item(1, retry=True)])
    delay, unloaded = lane.refused(lane.take(), retry_after=7)
    assert [gone.page.first for gone in unloaded] == [1]
    assert [left.page.first for left in lane.items] == [5, 6]
    assert delay >= 7
    assert lane.is_blocked
    assert lane.wait == pytest.approx(delay)
    clock.now += delay
    assert lane.wait == 0
    lane.succeeded()
    assert not lane.is_blocked
