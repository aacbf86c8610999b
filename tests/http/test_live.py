"""The page, and what of it is told to whoever looks."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from kigeon.http.live import LivePage, page
from kigeon.http.parts import PARTS
from kigeon.http.problems import problems
from kigeon.http.site import Site
from kigeon.observability.overview import RECENT
from kigeon.observability.snapshot import write_snapshot
from tests.http.serving import Clock
from tests.observability.snapshots import WELL, with_child, with_report


@pytest.fixture
def told() -> dict[str, Any]:
    site = Site(Clock())
    site.tell(write_snapshot(WELL))
    return site._told()


@pytest.fixture
def shown(told: dict[str, Any]) -> LivePage:
    found = LivePage(1000)
    found.take(WELL.latest)
    found.show(told)
    return found


def news(found: LivePage, seen: int) -> dict[str, Any]:
    """Return what is told to who has seen a version."""
    lines = found.after(seen).decode().split("\n")
    assert lines[0] == f"id: {found.version}"
    assert lines[3:] == ["", ""]
    data: dict[str, Any] = json.loads(lines[2].removeprefix("data: "))
    return data


class Page(HTMLParser):
    """The ids of a page, and what is open in the end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_all_that_is_shown_is_in_the_page_itself(shown: LivePage) -> None:
    html = shown.html("").decode()
    for text in ("1.2.3", "live: yes", "2 waiting", "pod/api-1", "http://loki", "503", "2 of 2 events", "deduplicator"):
        assert text in html
    assert "<!--" not in html
    assert "{{" not in html


def test_it_is_well_formed_and_every_part_has_its_place_once(shown: LivePage) -> None:
    parsed = Page(shown.html("").decode())
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert set(PARTS) < set(parsed.ids)


def test_nothing_that_an_event_says_is_markup(shown: LivePage) -> None:
    assert "<b>Back-off" not in shown.html("").decode()
    assert "<b>Back-off" not in shown.after(0).decode()


def test_what_is_searched_for_is_found_without_a_script(shown: LivePage) -> None:
    html = shown.html("backoff").decode()
    assert "1 of 2 events" in html
    assert 'value="backoff"' in html
    assert 'data-seen="0"' in html
    assert "pod/web-0" not in html


def test_what_is_searched_for_is_no_markup(shown: LivePage) -> None:
    assert 'value="&quot;&gt;&lt;script&gt;"' in shown.html('"><script>').decode()


def test_whoever_has_seen_nothing_is_told_all(shown: LivePage) -> None:
    data = news(shown, 0)
    assert set(data["parts"]) == set(PARTS)
    assert data["events"].count("<li") == 2


def test_whoever_has_seen_the_page_is_told_what_is_new(shown: LivePage, told: dict[str, Any]) -> None:
    (seen,) = map(int, re.findall(r'data-seen="(\d+)"', shown.html("").decode()))
    assert news(shown, seen) == {"parts": {}, "events": "", "most": 300}
    shown.show({**told, "ready": False})
    shown.take([(3, WELL.latest[0][1])])
    data = news(shown, seen)
    assert list(data["parts"]) == ["badges"]
    assert data["events"].count("<li") == 1


def test_what_does_not_change_is_no_news(shown: LivePage, told: dict[str, Any]) -> None:
    before = shown.version
    shown.show(told)
    shown.take(WELL.latest)
    assert shown.version == before


def test_every_failure_has_its_reason_on_the_page() -> None:
    site = Site(Clock())
    held = [
        {"destination": "http://loki <a>", "stream": "", "state": "held", "reason": "401 no org id",
         "cure": "check basicAuth and tenantID", "since": 9_990.0, "next": 10_010.0, "events": 2},
    ]  # fmt: skip
    site.tell(write_snapshot(with_report("sender/loki", held=held, parked=7, evicted=3)))
    found = LivePage(1)
    found.show(site._told())
    html = found.html("").decode()
    for text in ("http://loki &lt;a&gt; takes nothing", "401 no org id", "Cure: check basicAuth and tenantID"):
        assert text in html
    assert "loki: 7 events are parked" in html
    assert "loki: 3 events were evicted" in html
    # What only a hand heals is told first.
    assert html.index("evicted") < html.index("are parked")


def test_what_failed_lately_is_named_with_its_cure_and_forgotten_when_it_works_again() -> None:
    clock = Clock()
    site = Site(clock)
    trouble = {"what": "the hook fails", "reason": "line 2", "cure": "correct it", "at": clock().steady - 30.0}
    site.tell(write_snapshot(with_report("sender/loki", troubles=[trouble])))
    assert [problem.cure for problem in problems(site._told()) if "hook" in problem.title] == ["correct it"]
    clock.forward(RECENT)
    assert not [problem for problem in problems(site._told()) if "hook" in problem.title]


@pytest.mark.parametrize(("ahead", "said"), [(600.2, "600 s behind"), (-45.0, "45 s ahead of"), (20.0, "")])
def test_a_clock_that_is_wrong_is_named(ahead: float, said: str) -> None:
    site = Site(Clock())
    site.tell(write_snapshot(with_report("watcher", clockAhead=ahead)))
    found = [problem.text for problem in problems(site._told()) if "clock" in problem.title]
    assert found == ([f"It is {said} that of the API server."] if said else [])


def test_the_day_begins_when_kigeon_did_and_tells_the_rate_of_now() -> None:
    clock = Clock()
    site = Site(clock)
    began = replace(WELL, started_at=clock().day)
    for stored in (10, 25):
        queue = {**WELL.child("queue").report, "stored": stored}
        site.tell(write_snapshot(with_child("queue", replace(WELL.child("queue"), report=queue), began)))
        clock.forward(5.0)
    shown = PARTS["day"](site._told())
    assert "3/s now, at most 3/s" in shown
    assert 'known since <time datetime="2027-01-15T08:00:00Z">' in shown
    assert "17 now" in shown  # the sender has the last fifteen still to read


def test_the_script_and_the_page_name_the_same_elements() -> None:
    named = set(re.findall(r'byId\("(\w+)"\)', page("status.js").decode()))
    assert named
    assert named <= set(Page(page("index.html").decode()).ids)


def test_replicas_are_shown_where_there_are_some() -> None:
    told = {"roles": [{"role": "pipeline", "replica": "kigeon-<a>", "since": "2027-01-15T08:00:00+00:00"}]}
    shown = PARTS["roles"](told)
    assert "<td>kigeon-&lt;a&gt;</td>" in shown
    assert "08:00:00" in shown
    assert "nobody" in PARTS["roles"]({"roles": [{"role": "pipeline", "replica": "", "since": ""}]})
    assert PARTS["roles"]({"roles": []}) == ""
