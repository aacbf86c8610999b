"""What needs a look, with its cure."""

import pytest

from kigeon.http.live import LivePage
from kigeon.http.problems import problems
from kigeon.http.site import Site
from kigeon.observability.overview import RECENT
from kigeon.observability.snapshot import write_snapshot
from tests.http.serving import Clock
from tests.observability.snapshots import with_report


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
