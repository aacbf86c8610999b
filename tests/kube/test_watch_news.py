"""What the log says of a watch."""

import logging
from pathlib import Path
from typing import Any

import pytest

from kigeon.kube.watch_news import WatchNews
from kigeon.standin.apiserver import ApiServer
from tests.support.informing import informing, put, wait_for
from tests.support.processes import wait_until


def said(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.getMessage() == message]


def test_it_is_said_once_and_again_after_it_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [100.0]
    news = WatchNews("/events", clock=lambda: now[0])
    for _ in range(3):
        news.opened()
    (first,) = said(caplog, "the watch is established")
    assert "away" not in first
    news.lost()
    now[0] = 107.04
    news.lost()
    news.opened()
    assert said(caplog, "the watch is established")[-1]["away"] == 7.0


@pytest.mark.parametrize(("ahead", "told"), [(0.0, []), (-29.0, []), (600.0, [600]), (-600.0, [-600])])
def test_a_clock_that_differs_is_an_error(caplog: pytest.LogCaptureFixture, ahead: float, told: list[int]) -> None:
    WatchNews("/events", lambda: ahead).opened()
    found = said(caplog, "this machine's clock is not the API server's")
    assert [record["behind"] for record in found] == told
    assert all("NTP" in record["cure"] for record in found)


def test_an_informer_says_it_once_however_often_the_watch_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ApiServer() as api, informing(api, tmp_path) as seen:
        api.wait_for_watches()
        for number in range(3):
            api.faults.end_watches("close")
            put(api, number)
        wait_for(seen, 0, 1, 2)
        assert len(said(caplog, "the watch is established")) == 1
        api.faults.fail_next(1, 503, "watch")
        api.faults.end_watches("close")
        wait_until(lambda: len(said(caplog, "the watch is established")) == 2)
        assert said(caplog, "the watch is established")[1]["away"] > 0
