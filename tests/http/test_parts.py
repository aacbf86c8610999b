"""The parts of the page."""

from dataclasses import replace

from kigeon.http.parts import PARTS
from kigeon.http.site import Site
from kigeon.observability.snapshot import write_snapshot
from tests.http.serving import Clock
from tests.observability.snapshots import WELL, with_child


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


def test_replicas_are_shown_where_there_are_some() -> None:
    told = {"roles": [{"role": "pipeline", "replica": "kigeon-<a>", "since": "2027-01-15T08:00:00+00:00"}]}
    shown = PARTS["roles"](told)
    assert "<td>kigeon-&lt;a&gt;</td>" in shown
    assert "08:00:00" in shown
    assert "nobody" in PARTS["roles"]({"roles": [{"role": "pipeline", "replica": "", "since": ""}]})
    assert PARTS["roles"]({"roles": []}) == ""
