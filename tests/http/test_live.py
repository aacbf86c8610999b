"""The page, and what of it is told to whoever looks."""

import json
import re
from html.parser import HTMLParser
from typing import Any

from kigeon.http.live import LivePage, page
from kigeon.http.parts import PARTS
from tests.observability.snapshots import WELL


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


def test_the_script_and_the_page_name_the_same_elements() -> None:
    named = set(re.findall(r'byId\("(\w+)"\)', page("status.js").decode()))
    assert named
    assert named <= set(Page(page("index.html").decode()).ids)
