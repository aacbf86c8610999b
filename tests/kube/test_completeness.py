"""Gaps in what was watched, and how long the cluster keeps Events."""

import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from kigeon.kube import access as access_module
from kigeon.kube.access import ClusterAccess
from kigeon.kube.collector import EventCollector
from kigeon.kube.completeness import last_written
from kigeon.kube.informer import Informer
from kigeon.kube.lifetime import DECAY
from kigeon.kube.outbox import Outbox
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from kigeon.standin.apiserver import ApiServer
from tests.support.collecting import Watching, stamped, watch_line
from tests.support.events import make_event
from tests.support.processes import wait_until


@pytest.mark.parametrize(
    ("away", "ages", "gaps"),
    [
        (3000.0, (10.0,), 0),
        (7200.0, (10.0, 3000.0), 1),
        (7200.0, (), 1),
        (7200.0, (10.0, 7300.0), 0),
    ],
    ids=[
        "away for less than they live",
        "away for longer",
        "and nothing is left",
        "but one from before is still there",
    ],
)
def test_a_gap_is_noticed(away: float, ages: tuple[float, ...], gaps: int) -> None:
    watching = Watching(watched_until=1_000_000_000.0 - away)
    watching.list(*ages)
    assert [gap.since for gap in watching.collector.completeness.gaps] == [watching.now - away] * gaps
    if gaps:
        assert watching.collector.completeness.gaps[0].until == watching.now - max(ages, default=0.0)


def test_a_first_list_ever_and_a_relist_under_way_show_no_gap() -> None:
    watching = Watching()
    for _ in range(3):
        watching.list(10.0, 20.0)
        watching.now += 3000.0
    watching.collector.on_events([watch_line("BOOKMARK", 1, "9")])
    watching.now += 3000.0
    watching.list()
    assert watching.collector.completeness.gaps == []


def test_a_gap_is_told(caplog: pytest.LogCaptureFixture) -> None:
    watching = Watching(watched_until=1_000_000_000.0 - 7200.0)
    watching.list(3000.0)
    (record,) = (record for record in caplog.records if "may be missing" in record.message)
    assert vars(record)["since"] == "2001-09-08T23:46:40+00:00"
    assert vars(record)["until"] == "2001-09-09T00:56:40+00:00"
    assert watching.collector.report()["lastGap"] == [vars(record)["since"], vars(record)["until"]]


@pytest.mark.parametrize("shown_by", ["list", "delete"])
def test_events_that_live_longer_than_configured_are_noticed_once(
    shown_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watching()
    for _ in range(3):
        watching.list(3700.0, 3700.0, 3700.0) if shown_by == "list" else watching.delete(3700.0, 3700.0, 3700.0)
    assert watching.collector.report()["observedLifetime"] == 0.0
    for ages in ((10_500.0, 10_600.0, 10_790.0), (10_700.0, 10_600.0, 10_790.0)):
        watching.list(*ages, 10.0) if shown_by == "list" else watching.delete(*ages)
    assert watching.collector.report()["observedLifetime"] == 10_800.0
    assert max(batch.delta.lifetime for batch in iter(watching.outbox.take, None)) == 10_800.0
    (record,) = (record for record in caplog.records if "kubernetesEventsMaxLifetime" in record.message)
    assert (vars(record)["configured"], vars(record)["observed"]) == (3600.0, 10_800.0)


def test_a_single_event_shows_nothing_of_the_clusters_setting() -> None:
    watching = Watching()
    for _ in range(5):
        watching.list(10_500.0, 10.0)
        watching.delete(10_500.0)
        watching.list(10.0, 10_500.0)
    assert watching.collector.report()["observedLifetime"] == 0.0


def test_what_is_shown_no_more_decays() -> None:
    watching = Watching()
    watching.list(*[10_500.0] * 3)
    assert watching.delta().lifetime == 10_800.0
    for _ in range(10):
        watching.pass_time(0.9 * DECAY)
        watching.list(*[10_500.0] * 3)
    assert watching.collector.report()["observedLifetime"] == 10_800.0
    for _ in range(3):
        watching.pass_time(0.9 * DECAY)
        watching.list(*[10.0] * 3)
    assert watching.collector.report()["observedLifetime"] == 0.0
    assert [batch.delta.lifetime for batch in iter(watching.outbox.take, None)][-1] == 3600.0


def test_a_wall_clock_that_is_ahead_during_a_list_is_none_of_the_clusters_business(tmp_path: Path) -> None:
    """The API server's own clock is the one that counts, as it is told with each answer."""
    outbox = Outbox()
    outbox.connect(1)
    with ApiServer() as api:
        api.put_events(make_event(batch_seq) for batch_seq in range(10))
        access = ClusterAccess(ClusterSource(api.write_kubeconfig(tmp_path / "config")))
        with pytest.MonkeyPatch.context() as patch:
            now = time.time()
            ahead = SimpleNamespace(time=lambda: now + 72_000.0, monotonic=time.monotonic)
            patch.setattr(access_module, "time", ahead)
            assert access.server_time() == now + 72_000.0
            collector = EventCollector(outbox, clock=access.server_time)
            informer = Informer(access, Resource("/api/v1/events"), collector)
            thread = Thread(target=informer.run)
            thread.start()
            try:
                wait_until(lambda: collector.received == 10)
                assert abs(access.server_time() - now) < 60.0
            finally:
                outbox.close()
                informer.stop()
                thread.join(10)
    assert collector.report()["observedLifetime"] == 0.0
    assert collector.completeness.gaps == []


def test_a_clock_that_is_far_off_changes_no_lifetime() -> None:
    watching = Watching()
    watching.list(*[30 * 86400.0] * 5)
    event = make_event(1)
    event["metadata"]["creationTimestamp"] = event["lastTimestamp"] = event["firstTimestamp"] = "yesterday"
    watching.collector.on_list_page([(event, b"{}")], "8")
    watching.collector.on_list_page([({"metadata": {}}, b"{}")], "9")
    assert watching.collector.report()["observedLifetime"] == 0.0


def test_who_wrote_last_is_who_counts() -> None:
    event = stamped(1, 1_000_000_000.0)
    event["metadata"]["managedFields"] = [
        {"time": "2001-09-09T05:00:00Z"},
        {"time": "2001-09-09T04:00:00Z"},
        None,
        {"time": 3},
    ]
    assert last_written(event) == "2001-09-09T05:00:00Z"
    assert last_written({"metadata": None, "eventTime": "2001-09-09T05:00:00.123456Z"}) == "2001-09-09T05:00:00.123456Z"
    assert last_written({}) == ""
