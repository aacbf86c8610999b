"""The status page in a real browser, of a real run with an outage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from kigeon.standin.apiserver import ApiServer
from tests.outside.browser import DESKTOP, PHONE, Browser
from tests.support.events import make_event
from tests.support.http import LISTEN, address, get
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

WAYS = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]


@pytest.fixture
def loki() -> Iterator[Loki]:
    with Loki() as running:
        yield running


@pytest.fixture
def away() -> Iterator[Loki]:
    with Loki() as running:
        running.always = lambda tenant: 401
        yield running


def put(kigeon: Kigeon, *events: dict[str, Any]) -> None:
    assert isinstance(kigeon.api, ApiServer)
    kigeon.api.put_events(events)


@pytest.fixture
def kigeon(tmp_path: Path, loki: Loki, away: Loki) -> Iterator[Kigeon]:
    senders = [loki_sender(loki), loki_sender(away, "archive")]
    with ApiServer() as api, Kigeon(tmp_path / "kigeon", api, senders, http=LISTEN) as running:
        wait_until(lambda: get(running, "/readyz")[0] == 200, what="a kigeon that is ready")
        api.put_events([make_event(number) for number in range(1234)])
        loki.wait_for(1234)
        yield running


def test_it_shows_an_outage_its_reason_and_its_end(kigeon: Kigeon, away: Loki) -> None:
    with Browser(f"http://{address(kigeon)}/") as browser:
        browser.wait_for(f"archive: {away.url} takes nothing", "#problems")
        browser.wait_for("401", "#problems")
        browser.wait_for("1,234 waiting", "#way")
        browser.wait_for("1,234 sent", "#way")
        browser.wait_for("401", "#held")
        assert (browser.text("#live"), browser.text("#ready")) == ("live: yes", "ready: yes")
        away.always = lambda tenant: 0
        browser.wait_for("All is well.", "#problems")
        browser.wait_for_none("#held table")
        kigeon.kill_tree()
        browser.wait_for("kigeon does not answer", "#news")


@pytest.mark.parametrize(("size", "scheme"), WAYS)
def test_everybody_can_read_it(kigeon: Kigeon, size: tuple[int, int], scheme: str) -> None:
    with Browser(f"http://{address(kigeon)}/", size, scheme) as browser:
        browser.wait_for("takes nothing", "#problems")
        assert browser.complaints() == []
        assert browser.ask("return document.documentElement.scrollWidth <= innerWidth")


def test_what_can_not_be_read_is_complained_of(kigeon: Kigeon) -> None:
    with Browser(f"http://{address(kigeon)}/") as browser:
        browser.wait_for("takes nothing", "#problems")
        browser.ask("document.querySelector('h2').style.color = '#ddd'")
        assert [found for found in browser.complaints() if found.startswith("color-contrast")]


def test_it_asks_nobody_else_and_breaks_no_policy(kigeon: Kigeon) -> None:
    origin = f"http://{address(kigeon)}/"
    with Browser(origin) as browser:
        browser.wait_for("takes nothing", "#problems")
        asked = browser.ask("return performance.getEntriesByType('resource').map((found) => found.name)")
        assert {name.removeprefix(origin) for name in asked} >= {"status.js", "status.css"}
        assert all(name.startswith(origin) for name in asked)
        assert browser.errors() == []


def test_events_come_as_they_happen_and_are_found_while_one_types(kigeon: Kigeon, loki: Loki) -> None:
    with Browser(f"http://{address(kigeon)}/") as browser:
        browser.wait_for("takes nothing", "#problems")
        put(kigeon, make_event(5000, "bank", reason="Ripened", message="<img src=x onerror=alert(1)> & more"))
        browser.wait_for("Ripened", "#events li:first-child")
        browser.wait_for("<img src=x onerror=alert(1)> & more", "#events li:first-child")
        browser.type("#q", "ripe BANK/")
        browser.wait_for(f"1 of {browser.count('#events li')} events", "#found")
        assert browser.count("#events li:not([hidden])") == 1
        put(kigeon, make_event(5001, "bank", reason="Ripened"), make_event(5002, "shop", reason="Rotten"))
        browser.wait_for("2 of ", "#found")
        assert "Rotten" not in browser.text("#events")
        assert browser.errors() == []


def test_the_events_of_a_long_day_are_bounded_in_the_browser(kigeon: Kigeon) -> None:
    with Browser(f"http://{address(kigeon)}/") as browser:
        browser.wait_for("takes nothing", "#problems")
        most = browser.ask(
            "const told = {parts: {}, most: 300, events: '<li>a</li>'.repeat(1000)};"
            "show({lastEventId: seen, data: JSON.stringify(told)});"
            "return document.getElementById('events').children.length"
        )
        assert most == 300


def test_without_a_script_it_says_the_same_and_can_be_searched(kigeon: Kigeon) -> None:
    with Browser(f"http://{address(kigeon)}/", scripts=False) as browser:

        def tells_again() -> bool:
            browser.driver.refresh()
            return "takes nothing" in browser.text()

        wait_until(tells_again, what="a page that tells of the destination that is away")
        for text in ("1,234 sent", "live: yes", "Times are UTC"):
            assert text in browser.text()
        before = browser.count("#events li")
        browser.type("#q", "web-1")
        browser.press(Keys.ENTER)
        browser.wait_for(f" of {before} events", "#found")
        assert 0 < browser.count("#events li") < before
        assert "web-1" in browser.text("#events li:first-child")


def test_it_can_be_used_by_keyboard(kigeon: Kigeon) -> None:
    with Browser(f"http://{address(kigeon)}/") as browser:
        browser.wait_for("takes nothing", "#problems")
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        assert browser.driver.switch_to.active_element.text == "Skip to what needs a look"
        ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
        assert browser.ask("return document.activeElement.id") == "main"
