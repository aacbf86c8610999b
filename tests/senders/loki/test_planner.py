"""Sent is what Loki holds, whatever it does not say: a planner before a stand-in that answers as the real one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kigeon.senders.entry import Answer, PushStatus
from tests.senders.loki.pushes import STREAMS, assert_all_sent, spread
from tests.senders.loki.simulation import DESTINATION, Simulation


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_a_tenant_at_its_stream_limit_holds_up_new_streams_alone(
    simulation: Simulation, order: tuple[str, ...]
) -> None:
    simulation.add(*spread(10, streams="ab"))
    simulation.run()
    simulation.loki.limits.max_streams = 2
    simulation.add(*(line for stream in order for line in spread(5, streams=stream)))
    simulation.run(5)
    held = {
        number for number, item in simulation.items.items() if item.entry and ("namespace", "c") in item.entry.stream
    }
    assert simulation.waiting == held
    assert simulation.sent == simulation.items.keys() - held
    assert not simulation.not_held
    simulation.loki.limits.max_streams = 3
    simulation.run(60)
    assert_all_sent(simulation)


def test_streams_that_loki_has_flow_although_nobody_knows_and_there_is_room_for_no_other(
    simulation: Simulation,
) -> None:
    simulation.add(*spread(40))
    simulation.run()
    simulation.loki.limits.max_streams = 8
    simulation.add(*spread(100, streams="uvwxyz"))
    simulation.run(5)
    simulation.delivery.planners.of(DESTINATION).settle([simulation.items[1]], Answer(PushStatus.RETRY, "503"))
    simulation.add(*spread(40), *spread(12, streams="uvwxyz"))
    simulation.run(1)
    assert simulation.waiting == {n for n in simulation.items if 40 < n <= 140 or n > 180}
    assert not simulation.not_held


def test_a_stream_limit_costs_few_requests(simulation: Simulation) -> None:
    simulation.loki.limits.max_streams = 20
    streams = [f"s{number}" for number in range(400)]
    simulation.add(*((stream, 0, 100) for stream in streams))
    simulation.run(300)
    assert len(simulation.sent) == 20
    assert simulation.sink.requests < 400 + 60
    simulation.loki.limits.max_streams = 1000
    simulation.run(60)
    assert_all_sent(simulation)


@pytest.mark.parametrize("shard_streams", [True, False])
def test_a_stream_that_takes_no_more_bytes_waits_and_the_others_go(simulation: Simulation, shard_streams: bool) -> None:
    simulation.loki.limits.shard_streams = shard_streams
    simulation.loki.limits.stream_rate, simulation.loki.limits.stream_burst = 100e3, 200e3
    simulation.add(*spread(600, size=1000, streams="a"), *spread(50, streams="bcd"))
    simulation.run(0.5)
    assert {n for n in simulation.items if n > 600} <= simulation.sent
    assert not simulation.not_held
    simulation.run(12)
    assert_all_sent(simulation)


def test_late_lines_go_to_a_stream_of_their_hour(simulation: Simulation) -> None:
    late = [("a", 3 * 3600, 300) for _ in range(40)]
    good = spread(360, streams="ab")
    lines = [line for pair in itertools.zip_longest(good, late) for line in pair if line is not None]
    simulation.add(*good[:20])
    simulation.run()
    simulation.add(*lines)
    simulation.run(1)
    assert_all_sent(simulation)
    in_late = [line for line in simulation.loki.lines if "late" in dict(line.labels)]
    assert len(in_late) == 40
    assert len(simulation.loki.lines) == len(simulation.items)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_hours_of_one_stream_are_held_once_though_answers_are_lost(simulation: Simulation, lost: int) -> None:
    simulation.add(*(("a", behind, 300) for behind in range(4 * 3600, 0, -300)))
    simulation.sink.lose_next = lost
    simulation.run(60)
    assert_all_sent(simulation)
    assert len(simulation.loki.lines) == len(simulation.items)


def test_a_late_line_raises_no_doubt_of_what_rode_along_in_order(simulation: Simulation) -> None:
    simulation.add(*spread(2, streams="ab"), *spread(2, streams="ab"))
    simulation.run()
    simulation.add(*spread(2, streams="ab"))
    simulation.run()
    simulation.add(("a", 7200, 300), ("b", 7200, 300))
    simulation.run()
    assert_all_sent(simulation)
    assert simulation.loki.repeats == 0


def test_what_is_in_doubt_would_not_be_late_were_it_sent_again(simulation: Simulation) -> None:
    """Hours of some streams, an hour apart; then a rate that is lower than any that was thought of."""
    simulation.add(*(line for behind in range(5 * 3600, 0, -600) for line in spread(4, 100, "abcd", behind)))
    simulation.run()
    simulation.loki.limits.stream_rate = simulation.loki.limits.stream_burst = 1000.0
    simulation.add(("a", 0, 2000))
    simulation.run()
    simulation.loki.limits.stream_rate = simulation.loki.limits.stream_burst = 1e12
    simulation.run(120)
    assert_all_sent(simulation)
    assert len(simulation.loki.lines) == len(simulation.items)


def test_lines_that_are_late_in_their_late_stream_too_are_parked(simulation: Simulation) -> None:
    simulation.loki.limits.max_behind = 60.0
    simulation.add(("a", 0, 100), ("a", 7200 - 60, 100))
    simulation.run()
    simulation.add(("a", 7200 + 60 * 20, 100))
    simulation.run()
    assert len(simulation.sent) + len(simulation.letters.reasons) == 3
    assert not simulation.not_held


def test_a_line_that_is_to_come_waits_for_its_time(simulation: Simulation) -> None:
    simulation.add(("a", -900, 100), ("a", 0, 100))
    simulation.run(10)
    assert simulation.sent == {2}
    simulation.run(400)
    assert_all_sent(simulation)


def test_invalid_lines_are_parked_and_the_others_are_pushed_once(simulation: Simulation) -> None:
    simulation.loki.limits.max_line = 1000
    lines = spread(97, size=300)
    lines[50] = ("c", 0, 2000)
    lines[60] = ("d", 8 * 24 * 3600, 300)
    simulation.add(*lines)
    simulation.run(1)
    assert set(simulation.letters.reasons) == {51, 61}
    assert len(simulation.sent) == 95
    assert not simulation.not_held
    assert simulation.loki.repeats == 0


def test_what_concerns_every_event_parks_nothing_and_heals(simulation: Simulation) -> None:
    simulation.loki.limits.allow_structured_metadata = False
    simulation.add(*spread(300))
    simulation.run(30)
    assert not simulation.letters.reasons
    assert not simulation.sent
    simulation.loki.limits.allow_structured_metadata = True
    simulation.run(60)
    assert_all_sent(simulation)


def test_what_rode_along_is_sent_again_where_its_stream_turns_out_refused(simulation: Simulation) -> None:
    """Loki was started anew in the meantime, and another client took the room."""
    simulation.add(*spread(8))
    simulation.run()
    simulation.restart()
    simulation.loki.limits.max_streams = 1
    for _ in range(4):
        simulation.add(*spread(8))
        simulation.run(1)
    simulation.run(30)
    simulation.prove()
    simulation.run(30)
    assert not simulation.not_held
    simulation.loki.limits.max_streams = 100
    simulation.run(120)
    assert_all_sent(simulation)


line = st.tuples(st.sampled_from(STREAMS), st.integers(0, 4 * 3600), st.sampled_from([50, 300, 2000, 20_000]))
flows = st.lists(
    st.tuples(
        st.lists(line, max_size=40),
        st.floats(0, 5),
        st.sampled_from(["", "loki", "kigeon", "connection"]),
        st.sampled_from([1, 3, 8, 20, 1000]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(
    flows,
    st.sampled_from([20e3, 100e3, 1e9]),
    st.booleans(),
    st.integers(0, 5),
    st.sampled_from([61.0, 900.0, 3600.0]),
)
def test_whatever_the_order_the_limits_and_the_restarts_sent_is_held_and_the_rest_waits_or_is_parked(
    flow: list[tuple[list[tuple[str, int, int]], float, str, int]],
    rate: float,
    shard: bool,
    lowered_at: int,
    behind: float,
) -> None:
    simulation = Simulation()
    limits = simulation.loki.limits
    limits.shard_streams = shard
    limits.max_behind = behind
    try:
        for step, (lines, seconds, ended, streams) in enumerate(flow):
            if step >= lowered_at:
                # There may be room again, and none later.
                limits.max_streams = streams
            if step == lowered_at:
                limits.stream_rate, limits.stream_burst = rate, 2 * rate
            if ended == "loki":
                simulation.restart()
            elif ended == "connection":
                simulation.disconnect()
            elif ended == "kigeon":
                simulation.crash()
            simulation.add(*lines)
            simulation.run(seconds)
            assert simulation.doubts_are_booked
        for _ in range(3):
            simulation.prove()
            simulation.run(30)
        assert not simulation.not_held
        accounted = simulation.sent | simulation.waiting | simulation.letters.reasons.keys()
        assert accounted == simulation.items.keys()
        limits.max_streams = limits.stream_rate = limits.stream_burst = 1e12
        simulation.run(300)
        assert simulation.doubts_are_booked
        assert not simulation.not_held
        assert simulation.sent | simulation.letters.reasons.keys() == simulation.items.keys()
        assert all("too far behind" in reason for reason in simulation.letters.reasons.values())
    finally:
        simulation.close()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True),
            st.booleans(),
            st.sampled_from([2, 1000]),
        ),
        min_size=4,
        max_size=6,
    )
)
def test_whatever_a_loki_refused_that_had_forgotten_its_streams_is_not_sent(
    flow: list[tuple[list[str], bool, int]],
) -> None:
    """Few streams and little room, restart after restart: what was refused unnoticed would soon be believed proven."""
    simulation = Simulation()
    try:
        simulation.add(*spread(2, streams="ab"))
        simulation.run()
        for streams, is_restarted, room in flow:
            simulation.loki.limits.max_streams = room
            if is_restarted:
                simulation.restart()
            simulation.add(*((stream, 0, 50) for stream in streams))
            simulation.run()
        simulation.loki.limits.max_streams = 1000
        simulation.prove()
        simulation.run(60)
        simulation.prove()
        assert_all_sent(simulation)
    finally:
        simulation.close()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.lists(line, max_size=40), st.floats(0, 5), st.integers(0, 3)), min_size=1, max_size=6),
    st.sampled_from([3, 8, 1000]),
    st.sampled_from([100e3, 1e9]),
    st.booleans(),
)
def test_whatever_answers_are_lost_no_line_is_held_twice(
    flow: list[tuple[list[tuple[str, int, int]], float, int]], streams: int, rate: float, shard: bool
) -> None:
    simulation = Simulation()
    limits = simulation.loki.limits
    limits.shard_streams, limits.max_streams = shard, streams
    limits.stream_rate, limits.stream_burst = rate, 2 * rate
    try:
        for lines, seconds, lost in flow:
            simulation.sink.lose_next = lost
            simulation.add(*lines)
            simulation.run(seconds)
        limits.max_streams = limits.stream_rate = limits.stream_burst = 1e12
        simulation.run(300)
        assert_all_sent(simulation)
        assert len(simulation.loki.lines) == len(simulation.items)
    finally:
        simulation.close()
