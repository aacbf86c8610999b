from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.delivery.lane import MAX_PUSH_BYTES, MAX_PUSH_EVENTS, STALLED_AFTER, Blockage, Item, Lane
from kigeon.senders.delivery.lanes import Lanes
from kigeon.senders.delivery.planner import PlainPlanner
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.progress.envelope import EnvelopeProgress

DESTINATION = LokiDestination("http://loki")
SIZES = st.sampled_from([1, MAX_PUSH_BYTES // 3, MAX_PUSH_BYTES, 2 * MAX_PUSH_BYTES])


def item(number: int, size: int = 1, retry: bool = False) -> Item:
    page = EnvelopeProgress(1, number, 1, offsets=(number,) if retry else ())
    return Item(page, 0, b"", LokiEntry(DESTINATION, (), 0, "", {}, size))


def numbers(items: list[Item]) -> list[int]:
    return [item.page.first for item in items]


@given(st.lists(st.tuples(st.lists(SIZES, max_size=4), st.sampled_from(["nothing", "delivered", "refused"]))))
def test_events_leave_a_lane_once_and_in_order_whatever_is_refused(steps: list[tuple[list[int], str]]) -> None:
    lane = Lane(DESTINATION, clock=lambda: 0.0)
    added, sent = 0, list[int]()
    for sizes, then in steps:
        lane.add(item(added + place, size) for place, size in enumerate(sizes))
        added += len(sizes)
        if then == "nothing":
            continue
        taken = lane.take()
        assert len(taken) == 1 or sum(one.entry.size for one in taken if one.entry) <= MAX_PUSH_BYTES
        if then == "delivered":
            sent += numbers(taken)
            lane.succeeded()
        else:
            assert lane.refused(taken, None)[1] == []
    while taken := lane.take():
        sent += numbers(taken)
    assert sent == list(range(added))


@given(st.lists(st.integers(1, 99), unique=True), st.lists(st.integers(100, 199), unique=True), st.booleans())
def test_of_the_retry_stream_all_is_unloaded_by_a_refusal_and_nothing_else(
    retried: list[int], fresh: list[int], taking: bool
) -> None:
    lane = Lane(DESTINATION)
    lane.add(item(number) for number in fresh)
    lane.add(item(number, retry=True) for number in retried)
    assert lane.has_retries == bool(retried)
    _, unloaded = lane.refused(lane.take() if taking else [], None)
    assert (numbers(unloaded), numbers(list(lane.items))) == (retried, fresh)
    assert not lane.has_retries


def test_a_push_has_a_most_of_events() -> None:
    lane = Lane(DESTINATION)
    lane.add(item(number) for number in range(MAX_PUSH_EVENTS + 1))
    assert [len(lane.take()) for _ in range(3)] == [MAX_PUSH_EVENTS, 1, 0]


def test_what_waits_is_taken_off_and_what_is_being_retried_stays() -> None:
    lane = Lane(DESTINATION)
    lane.add([item(5), item(6)])
    lane.add([item(1, retry=True)])
    assert numbers(lane.take_waiting()) == [5, 6]
    assert numbers(list(lane.items)) == [1]


def test_refusals_in_a_row_are_waited_for_longer_until_one_succeeds() -> None:
    lane = Lane(DESTINATION, clock=lambda: 0.0)
    delays = [lane.refused([], None)[0] for _ in range(8)]
    assert delays[0] < 1 < 16 < delays[-1]
    lane.succeeded()
    assert lane.wait == 0
    assert lane.refused([], None)[0] < 1


def test_a_push_without_an_answer_holds_up_what_waits_only_after_a_while() -> None:
    now = 0.0
    lane = Lane(DESTINATION, clock=lambda: now)
    assert not lane.stalled
    lane.push_started([item(1)])
    assert not lane.stalled
    now += 1.01 * STALLED_AFTER
    assert numbers(list(lane.stalled)) == [1]
    lane.push_ended()
    assert not lane.stalled


def test_what_comes_from_the_retry_stream_keeps_its_order_and_goes_before_what_does_not() -> None:
    lane = Lane(DESTINATION)
    lane.add([item(8), item(9)])
    lane.add([item(1, retry=True), item(2, retry=True)])
    lane.add([item(3, retry=True), item(10)])
    assert numbers(list(lane.items)) == [1, 2, 3, 8, 9, 10]


def test_a_lane_knows_when_it_holds_as_much_as_a_push() -> None:
    lane = Lane(DESTINATION)
    lane.add(item(number) for number in range(MAX_PUSH_EVENTS - 1))
    assert bool(lane.fills_a_push) is False
    lane.add([item(MAX_PUSH_EVENTS)])
    assert lane.fills_a_push
    other = Lane(DESTINATION)
    other.add([item(1, MAX_PUSH_BYTES)])
    assert other.fills_a_push


def test_a_lane_is_blocked_since_the_first_of_the_tries_that_failed_until_a_success() -> None:
    now = 100.0
    lane = Lane(DESTINATION, clock=lambda: now)
    lane.refused([], None, Blockage("503"))
    now = 130.0
    lane.refused([], None, Blockage("401", "check basicAuth", held=True))
    assert (lane.blockage, lane.blocked_for) == (Blockage("401", "check basicAuth", held=True), 30.0)
    lane.succeeded()
    assert (lane.blockage, lane.blocked_for) == (None, 0.0)


def test_where_nothing_goes_is_told_with_what_waits_there_the_most_first() -> None:
    lanes = Lanes(lambda destination: PlainPlanner(), lambda lane: None, clock=lambda: 50.0)
    few, many = (lanes.lane(LokiDestination(f"http://{name}")) for name in ("few", "many"))
    lanes.lane(LokiDestination("http://well")).add([item(1)])
    for lane, events in ((few, 1), (many, 3)):
        lane.refused([item(number) for number in range(events)], 7.0, Blockage("503"))
    told = lanes.report(lambda label: 10 if "few" in label else 0)
    assert [(lane["destination"], lane["events"]) for lane in told] == [("http://few", 11), ("http://many", 3)]
    assert {(lane["state"], lane["reason"], lane["since"]) for lane in told} == {("away", "503", 50.0)}
    assert {lane["next"] for lane in told} == {50.0 + few.wait, 50.0 + many.wait}
