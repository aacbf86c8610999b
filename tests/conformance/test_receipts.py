"""Sent is what a real Loki holds, whatever it hides: its 204 speaks for the last stream of a push alone.

What it refuses of the others it does not tell. kigeon's accounts are compared with what Loki holds, event by event:
while limits refuse, once they are raised, and when they are lowered under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kigeon.events.occurrence import timestamp_of
from kigeon.standin.apiserver import ApiServer
from tests.conformance.holding import assert_held_once, held_of, sender, wait_for_held, wanted_of
from tests.conformance.loki import RealLoki
from tests.support.events import make_event
from tests.support.kigeon import Kigeon
from tests.support.processes import wait_until

PLACES = ("first", "middle", "last")
PADDING = "x" * 400
BY_TENANT = """
def transform(config, event):
    config["tenantID"] = config["tenantID"] + "-" + event["involvedObject"]["namespace"].split("-")[0]
    return config
"""


@pytest.fixture(autouse=True)
def without_limits(real_loki: RealLoki) -> Iterator[None]:
    yield
    real_loki.limit({})


@pytest.fixture
def lone_loki(tmp_path: Path) -> Iterator[RealLoki]:
    """A Loki that no other test has anything in."""
    folder = tmp_path / "lone"
    folder.mkdir()
    with RealLoki(folder) as running:
        yield running


def rate(kilobytes: int) -> dict[str, str]:
    """Return the limits of a stream that may carry so much a second, twice as much at once."""
    return {"per_stream_rate_limit": f"{kilobytes}KB", "per_stream_rate_limit_burst": f"{2 * kilobytes}KB"}


def events_in(namespaces: Sequence[str], numbers: range, text: str = "", **fields: Any) -> list[dict[str, Any]]:
    """Return an event for each of *numbers*, *namespaces* in turn: with the labels there are, one is a stream."""
    return [
        make_event(number, namespaces[number % len(namespaces)], message=f"{number} {text}", **fields)
        for number in numbers
    ]


def ago(**age: float) -> dict[str, Any]:
    """Return the times of an event that is so old."""
    stamp = (datetime.now(UTC) - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"firstTimestamp": stamp, "lastTimestamp": stamp}


def accounts_of(kigeon: Kigeon) -> Mapping[str, int]:
    """Return the accounts that ``kigeon status`` tells."""
    accounts: Mapping[str, int] = kigeon.ask("status")["senders"]["loki"]
    return accounts


def told(kigeon: Kigeon, loki: RealLoki, tenant: str) -> Mapping[str, int]:
    """Return the accounts that ``kigeon status`` tells; what it says was sent is held by then."""
    accounts = accounts_of(kigeon)
    assert accounts["unaccounted"] == 0
    if accounts["sent"] > held_of(loki, tenant).total():
        # What is hours old Loki shows only from its store.
        loki.flush()
        wait_until(lambda: accounts["sent"] <= held_of(loki, tenant).total(), 30, f"{accounts['sent']} lines held")
    return accounts


def wait_for(
    kigeon: Kigeon,
    loki: RealLoki,
    tenant: str,
    is_enough: Callable[[Mapping[str, int]], bool],
    timeout: float = 120.0,
) -> Mapping[str, int]:
    """Return the accounts when they are as they are to be; at no time do they say more than Loki holds."""
    accounts: Mapping[str, int] = {}

    def found() -> bool:
        nonlocal accounts
        accounts = told(kigeon, loki, tenant)
        return is_enough(accounts)

    try:
        wait_until(found, timeout)
    except TimeoutError as error:
        raise TimeoutError(f"it stays at {accounts}, Loki holds {held_of(loki, tenant).total()}") from error
    return accounts


def arrive(kigeon: Kigeon, loki: RealLoki, tenant: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Return when each of *events* is sent and held, once; nothing is parked, and the audit says the same."""
    accounts = wait_for(kigeon, loki, tenant, lambda accounts: accounts["sent"] == len(events))
    assert (accounts["parked"], accounts["waiting"]) == (0, 0)
    assert kigeon.ask("dead-letter", "list") == {"deadLetters": []}
    assert_held_once(loki, tenant, events)
    assert kigeon.ask("audit", "--loki")["loki"] == {"loki": {"once": len(events)}}


def rest(
    kigeon: Kigeon, loki: RealLoki, tenant: str, good: Sequence[Mapping[str, Any]], waiting: int
) -> Mapping[str, int]:
    """Return the accounts when the *good* events are sent, and *waiting* wait; Loki holds the good ones alone."""
    accounts = wait_for(
        kigeon, loki, tenant, lambda accounts: (accounts["sent"], accounts["waiting"]) == (len(good), waiting)
    )
    assert accounts["parked"] == 0
    assert kigeon.ask("dead-letter", "list") == {"deadLetters": []}
    assert_held_once(loki, tenant, good)
    return accounts


# ------------------------------------------------------------------------------------------------- the rate of a stream


def test_more_than_a_stream_may_carry_arrives_whole(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Eight streams of some 600 KB, which may carry 100 KB a second and 200 KB at once, all in each push."""
    real_loki.limit({tenant: rate(100)})
    events = events_in([f"team-{number}" for number in range(8)], range(6000), PADDING)
    api.put_events(events[:8])
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 8)
        # Watched, they come in this order; a list has them namespace by namespace.
        api.put_events(events[8:])
        arrive(kigeon, real_loki, tenant, events)
        assert kigeon.stop() == 0


def test_a_backlog_stream_by_stream_arrives_whole(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """A list has them namespace by namespace: the whole of a push would go to one stream, which takes no such thing."""
    real_loki.limit({tenant: rate(100)})
    events = events_in([f"team-{number}" for number in range(8)], range(6000), PADDING)
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        arrive(kigeon, real_loki, tenant, events)
        assert kigeon.stop() == 0


def test_a_stream_at_its_rate_holds_up_no_other(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """One needs a minute at its rate; by then all others are long there."""
    real_loki.limit({tenant: rate(25)})
    busy = events_in(["busy"], range(2000), PADDING)
    others = events_in([f"team-{number}" for number in range(20)], range(2000, 2400))
    wanted = wanted_of(others)
    api.put_events(busy + others)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_until(lambda: not wanted - held_of(real_loki, tenant), 30, "all others, held")
        assert held_of(real_loki, tenant).total() < 2400, "the busy stream is still at it"
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] >= 400)
        real_loki.limit({})
        arrive(kigeon, real_loki, tenant, busy + others)
        assert kigeon.stop() == 0


# ----------------------------------------------------------------------------------------------------------- late lines


def test_late_lines_go_to_streams_of_their_own_hour(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Forty of four hundred are three hours and more behind what their streams have."""
    namespaces = [f"team-{number}" for number in range(8)]
    early = events_in(namespaces, range(80))
    api.put_events(early)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 80)
        later = events_in(namespaces, range(80, 400))
        late = [
            make_event(number, event["metadata"]["namespace"], message="late", **ago(hours=3, seconds=30 * number))
            for number, event in list(enumerate(later, 80))[::8]
        ]
        later[::8] = late
        assert len(late) == 40
        api.put_events(later)
        arrive(kigeon, real_loki, tenant, early + later)
        assert kigeon.stop() == 0
    hours = {event["metadata"]["uid"]: hour_of(event) for event in late}
    streams = streams_of(real_loki, tenant)
    assert {uid: labels["late"] for uid, labels in streams.items() if "late" in labels} == hours
    for event in late:
        # But for the label, it is the stream in which it was refused.
        uid, first = event["metadata"]["uid"], same_namespace(early, event)["metadata"]["uid"]
        assert {key: value for key, value in streams[uid].items() if key != "late"} == streams[first]


def hour_of(event: Mapping[str, Any]) -> str:
    """Return the hour of an event's own time, as the label ``late`` has it."""
    return datetime.fromtimestamp(timestamp_of(event) // 10**9, UTC).strftime("%Y-%m-%dT%H")


def same_namespace(events: Sequence[dict[str, Any]], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of *events* that has the namespace of *event*."""
    return next(other for other in events if other["metadata"]["namespace"] == event["metadata"]["namespace"])


def streams_of(loki: RealLoki, tenant: str) -> dict[str, dict[str, str]]:
    """Return the labels of each line's stream by the uid of its event, structured metadata left out."""
    alike = ("app", "service_name", "namespace", "type", "reason", "involved_object_kind", "source_component", "late")
    return {
        line.labels["event_uid"]: {key: line.labels[key] for key in alike if key in line.labels}
        for line in loki.lines(tenant)
    }


# ------------------------------------------------------------------------------------------- the streams of a tenant


def test_what_has_no_room_waits_and_all_else_is_sent(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Forty streams, twenty of which are allowed: whichever they are, the events of twenty wait."""
    real_loki.limit({tenant: {"max_global_streams_per_user": 20}})
    events = events_in([f"team-{number}" for number in range(40)], range(2000))
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        # A list comes by namespace: twenty of them may be sent before the last of the others is in the queue.
        accounts = wait_for(
            kigeon, real_loki, tenant, lambda accounts: accounts["stored"] == 2000 and accounts["sent"] >= 1000
        )
        assert (accounts["sent"], accounts["waiting"], accounts["parked"]) == (1000, 1000, 0)
        held = Counter(line.labels["namespace"] for line in real_loki.lines(tenant))
        assert sorted(held.values()) == [50] * 20
        real_loki.limit({tenant: {"max_global_streams_per_user": 40}})
        arrive(kigeon, real_loki, tenant, events)
        assert kigeon.stop() == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_stream_that_has_no_room(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str, place: str) -> None:
    """Wherever in a push it is, its events wait, and those of the others are sent."""
    known = events_in(["a", "b"], range(20))
    api.put_events(known)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 20)
        real_loki.limit({tenant: {"max_global_streams_per_user": 2}})
        good, new = events_in(["a", "b"], range(20, 40)), events_in(["new"], range(40, 50))
        api.put_events(placed(new, good, place))
        rest(kigeon, real_loki, tenant, known + good, waiting=10)
        real_loki.limit({})
        arrive(kigeon, real_loki, tenant, known + good + new)
        assert kigeon.stop() == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_stream_with_late_lines(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str, place: str) -> None:
    known = events_in(["a", "b", "odd"], range(30))
    api.put_events(known)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 30)
        good, late = events_in(["a", "b"], range(30, 50)), events_in(["odd"], range(50, 60), **ago(hours=3))
        api.put_events(placed(late, good, place))
        arrive(kigeon, real_loki, tenant, known + good + late)
        assert kigeon.stop() == 0
    late_ones = {uid for uid, labels in streams_of(real_loki, tenant).items() if "late" in labels}
    assert late_ones == {event["metadata"]["uid"] for event in late}


@pytest.mark.parametrize("place", PLACES)
def test_a_stream_that_is_over_its_rate(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str, place: str
) -> None:
    """Larger than what it may carry at once, it is made smaller until it fits."""
    real_loki.limit({tenant: rate(100)})
    known = events_in(["a", "b", "large"], range(3))
    api.put_events(known)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 3)
        good, large = events_in(["a", "b"], range(3, 23)), events_in(["large"], range(23, 423), "x" * 1000)
        api.put_events(placed(large, good, place))
        arrive(kigeon, real_loki, tenant, known + good + large)
        assert kigeon.stop() == 0


def placed(odd: list[dict[str, Any]], good: list[dict[str, Any]], place: str) -> list[dict[str, Any]]:
    """Return events so that the stream of *odd* ones comes first, between the two of the *good* ones, or last."""
    one, other = good[::2], good[1::2]
    return {"first": odd + one + other, "middle": one + odd + other, "last": one + other + odd}[place]


# ------------------------------------------------------------------------------------------------- what concerns all


def test_structured_metadata_that_is_not_allowed_is_held_and_said(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    real_loki.limit({tenant: {"allow_structured_metadata": False}})
    events = events_in([f"team-{number}" for number in range(8)], range(3000))
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_until(lambda: errors_about(kigeon, "allow_structured_metadata"), 60, "an error that says so")
        # More of them come meanwhile: nobody has got any wiser.
        events += events_in([f"team-{number}" for number in range(8)], range(3000, 3100))
        api.put_events(events[3000:])
        rest(kigeon, real_loki, tenant, [], waiting=3100)
        real_loki.limit({})
        arrive(kigeon, real_loki, tenant, events)
        assert len(errors_about(kigeon, "allow_structured_metadata")) == 1
        assert kigeon.stop() == 0


def errors_about(kigeon: Kigeon, what: str) -> list[dict[str, Any]]:
    """Return the errors of the log that name *what*."""
    return [line for line in kigeon.log() if line["level"] == "error" and what in str(line)]


# --------------------------------------------------------------------------------------- limits that change under way


def test_limits_that_are_lowered_under_way(api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str) -> None:
    """Streams that were proven are refused after all, while others ride along with them."""
    namespaces = [f"team-{number}" for number in range(8)]
    events = events_in(namespaces, range(400))
    api.put_events(events)
    with Kigeon(folder, api, [sender(real_loki, tenant)]) as kigeon:
        wait_for(kigeon, real_loki, tenant, lambda accounts: accounts["sent"] == 400)
        real_loki.limit({tenant: {"max_global_streams_per_user": 8, **rate(20)}})
        for start in range(400, 3600, 400):
            wave = events_in(namespaces, range(start, start + 400), PADDING)
            api.put_events(wave)
            events += wave
            accounts = told(kigeon, real_loki, tenant)
            assert accounts["parked"] == 0
        new = events_in(["new-0", "new-1"], range(3600, 3620))
        api.put_events(new)
        rest(kigeon, real_loki, tenant, events, waiting=20)
        real_loki.limit({})
        arrive(kigeon, real_loki, tenant, events + new)
        assert kigeon.stop() == 0


def test_a_tenant_at_its_limit_while_others_flow(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """Wave after wave, what is for the others arrives; of the one, what its three streams take."""
    full, well = f"{tenant}-full", f"{tenant}-well"
    real_loki.limit({full: {"max_global_streams_per_user": 3}})
    folder.mkdir()
    (folder / "hook.star").write_text(BY_TENANT)
    namespaces = [f"{name}-{number}" for number in range(10) for name in ("full", "well")]
    events: list[dict[str, Any]] = []
    with Kigeon(folder, api, [sender(real_loki, tenant, hook={"script": "hook.star"})]) as kigeon:
        for start in range(0, 4000, 400):
            wave = events_in(namespaces, range(start, start + 400))
            api.put_events(wave)
            events += wave
            of_well = [event for event in events if event["metadata"]["namespace"].startswith("well")]
            wait_for_held(real_loki, well, of_well)
        wait_until(lambda: held_of(real_loki, full).total() == 600, 60, "what three of ten streams take")
        wait_until(lambda: accounts_of(kigeon)["sent"] == 2600, 60, "2,600 that are said to be sent")
        assert (accounts_of(kigeon)["waiting"], accounts_of(kigeon)["parked"]) == (1400, 0)
        real_loki.limit({})
        wait_until(lambda: accounts_of(kigeon)["sent"] == 4000, 120, "all that are said to be sent")
        assert kigeon.stop() == 0
    assert_held_once(real_loki, well, of_well)
    assert_held_once(real_loki, full, [event for event in events if event not in of_well])


def test_what_a_loki_lost_with_its_memory_is_brought_back(
    api: ApiServer, lone_loki: RealLoki, folder: Path, tenant: str
) -> None:
    """It ends without its write-ahead log; ``resend`` sends again what the queue has, and doubles nothing."""
    events = events_in([f"team-{number}" for number in range(6)], range(600))
    api.put_events(events[:300])
    with Kigeon(folder, api, [sender(lone_loki, tenant)]) as kigeon:
        wait_for(kigeon, lone_loki, tenant, lambda accounts: accounts["sent"] == 300)
        lone_loki.lose_memory()
        assert held_of(lone_loki, tenant).total() == 0
        api.put_events(events[300:])
        wait_until(lambda: held_of(lone_loki, tenant).total() == 300, 60, "what came since")
        kigeon.ask("resend", "--sender", "loki", "--since", "1h")
        wait_until(lambda: not wanted_of(events) - held_of(lone_loki, tenant), 60, "everything again")
        assert_held_once(lone_loki, tenant, events)
        assert lone_loki.count(tenant) == 600
        assert kigeon.stop() == 0
