"""What is served under which path."""

import json
from http import HTTPStatus
from typing import Any

import pytest

from kigeon.http.message import Request, Response
from kigeon.http.site import SAME, Site
from kigeon.observability.snapshot import write_snapshot
from tests.http.serving import Clock
from tests.observability.snapshots import WELL, with_report


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> Site:
    site = Site(clock)
    site.tell(write_snapshot(WELL))
    return site


def get(site: Site, path: str, *query: str, accept: str = "*/*") -> Response:
    return site.respond(Request("GET", path, dict.fromkeys(query, ""), {"accept": accept}))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"])
def test_health_is_a_word_where_all_is_well(site: Site, path: str) -> None:
    assert get(site, path) == Response(HTTPStatus.OK, b"ok\n")


def test_health_is_told_in_full_on_request(site: Site) -> None:
    text = get(site, "/livez", "verbose").body.decode()
    assert text == "[+]root ok\n[+]actors ok\n[+]nats-server ok\nlivez check passed\n"


def test_health_says_why_it_fails(site: Site) -> None:
    site.tell(write_snapshot(with_report("watcher", lists=0, watches=0, problem="403 forbidden")))
    answer = get(site, "/-/ready")
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"[-]cluster no list yet: 403 forbidden\n" in answer.body
    assert answer.body.endswith(b"readyz check failed\n")
    told = json.loads(get(site, "/readyz", accept="application/json").body)
    assert told["status"] == "failed"
    assert {"name": "cluster", "passed": False, "reason": "no list yet: 403 forbidden"} in told["checks"]
    assert get(site, "/livez").status == HTTPStatus.OK


def test_a_root_that_says_nothing_is_not_live(site: Site, clock: Clock) -> None:
    clock.forward(61.0)
    assert get(site, "/livez").status == HTTPStatus.SERVICE_UNAVAILABLE
    site.tell(write_snapshot(WELL))
    assert get(site, "/livez").status == HTTPStatus.OK


def test_what_nobody_was_told_yet_is_live_and_not_ready(clock: Clock) -> None:
    site = Site(clock)
    assert get(site, "/livez").status == HTTPStatus.OK
    assert get(site, "/readyz").status == HTTPStatus.SERVICE_UNAVAILABLE


def test_metrics_are_of_the_newest_and_written_once_a_second(site: Site, clock: Clock) -> None:
    before = get(site, "/metrics").body
    assert b"\nkigeon_events_stored_total 10\n" in before
    site.tell(write_snapshot(with_report("queue", stored=11)))
    assert get(site, "/metrics").body == before
    clock.forward(1.0)
    assert b"\nkigeon_events_stored_total 11\n" in get(site, "/metrics").body


def test_what_the_page_shows_has_the_accounts_and_why_nothing_goes(site: Site) -> None:
    told = json.loads(get(site, "/api/status").body)
    assert (told["live"], told["ready"], told["watcher"]["stored"]) == (True, True, 10)
    loki = told["senders"]["loki"]
    assert (loki["waiting"], loki["held"][0]["reason"]) == (2, "503")
    assert loki["held"][0]["since"] == "2027-01-15T07:59:50+00:00"


def test_what_the_page_shows_has_rates_the_day_and_the_last_events(site: Site, clock: Clock) -> None:
    clock.forward(10.0)
    site.tell(write_snapshot(with_report("queue", stored=30, received=34)))
    told = json.loads(get(site, "/api/status").body)
    assert told["rates"] == {"received": 2.0, "new": 2.0, "sent": {"loki": 0.0}}
    assert (told["day"][-1]["new"], told["day"][-1]["seconds"], len(told["day"])) == (20, 10.0, 288)
    assert [event["reason"] for event in told["events"]] == ["BackOff", "Pulled"]


def test_the_page_is_searched_by_what_its_address_says(site: Site) -> None:
    found = site.respond(Request("GET", "/", {"q": "backoff"})).body
    assert b"pod/api-1" in found
    assert b"pod/web-0" not in found
    assert b"pod/web-0" in get(site, "/").body
    assert site.respond(Request("GET", "/", {"q": "x" * 8000})).status == HTTPStatus.OK


def told_by(answer: Response) -> dict[str, Any]:
    (line,) = [line for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    data: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
    return data


def test_whoever_looks_is_told_what_it_has_not_seen(site: Site, clock: Clock) -> None:
    first = site.respond(Request("GET", "/api/stream"))
    assert (first.content_type, first.seen) == ("text/event-stream", site._page.version)
    assert told_by(first)["parts"]["version"] == "1.2.3"
    again = site.respond(Request("GET", "/api/stream", {"seen": str(first.seen)}))
    assert told_by(again)["parts"] == {}
    clock.forward(2.0)
    site.tell(write_snapshot(with_report("queue", stored=30)))
    assert first.seen is not None
    news, seen = site.news(first.seen)
    assert b"30 events stored" in news
    assert seen > first.seen
    # A browser that comes back says so by a header, and goes on asking for the same address.
    request = Request("GET", "/api/stream", {"seen": str(first.seen)}, {"last-event-id": str(seen)})
    assert told_by(site.respond(request))["parts"] == {}


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 5000, "\u0663"])
def test_what_is_no_version_is_none_that_was_seen(site: Site, seen: str) -> None:
    assert told_by(site.respond(Request("GET", "/api/stream", {"seen": seen})))["parts"]


def test_a_root_that_says_nothing_is_news(site: Site, clock: Clock) -> None:
    seen = site.respond(Request("GET", "/api/stream")).seen
    clock.forward(61.0)
    assert seen is not None
    assert b"live: no" in site.news(seen)[0]


def test_another_path_is_not_found(site: Site) -> None:
    for path in ("/nothing", "/page/../server.py", "/../../etc/passwd", "//", "/status.js/"):
        assert get(site, path).status == HTTPStatus.NOT_FOUND


def test_the_page_is_its_own_and_nobody_else_s(site: Site) -> None:
    for path in ("/", "/status.js", "/status.css"):
        answer = get(site, path)
        assert answer.status == HTTPStatus.OK
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
        assert "unsafe" not in policy


def test_every_alias_stands_for_something(site: Site) -> None:
    assert {get(site, path).status for path in SAME} == {HTTPStatus.OK}
