"""What is known of a destination's streams decides what shares a push."""

from __future__ import annotations

from kigeon.senders.loki.known import DOUBTED_FOR
from tests.senders.loki.pushes import STREAMS, assert_all_sent, spread
from tests.senders.loki.simulation import DESTINATION, Simulation


def test_new_streams_are_proven_each_and_then_share_pushes(simulation: Simulation) -> None:
    simulation.add(*spread(80))
    simulation.run()
    assert simulation.sink.requests == len(STREAMS)
    for _ in range(20):
        simulation.add(*spread(16))
        simulation.run(1)
    assert simulation.sink.requests == len(STREAMS) + 20
    assert_all_sent(simulation)


def test_streams_are_counted_by_what_is_known_of_them(simulation: Simulation) -> None:
    simulation.add(*spread(80))
    simulation.run()
    figures = simulation.delivery.planners.of(DESTINATION).figures()
    assert (figures["known"], figures["proven"], figures["held"]) == (len(STREAMS), len(STREAMS), 0)
    assert figures["unproven"] >= 0


def test_a_connection_that_ended_at_rest_costs_one_push_for_each_stream_that_flows(simulation: Simulation) -> None:
    simulation.add(*spread(80))
    simulation.run()
    for _ in range(5):
        before = simulation.sink.requests
        simulation.disconnect()
        simulation.add(*spread(16))
        simulation.run(1)
        assert simulation.sink.requests == before + len(STREAMS)
        simulation.add(*spread(16))
        simulation.run(1)
        assert simulation.sink.requests == before + len(STREAMS) + 1
    assert_all_sent(simulation)
    assert len(simulation.loki.lines) == len(simulation.items)


def test_what_a_predecessor_took_of_a_stream_s_rate_is_reckoned_with(simulation: Simulation) -> None:
    """Loki's bucket is empty as the sender is started anew, and nobody told the new one."""
    simulation.loki.limits.shard_streams = False
    simulation.loki.limits.stream_rate, simulation.loki.limits.stream_burst = 20e3, 40e3
    simulation.add(*spread(2, size=100, streams="ba"))
    simulation.run()
    simulation.add(("a", 0, 19_000), ("a", 0, 19_000))
    simulation.run()
    simulation.crash()
    simulation.add(*spread(2, size=100, streams="ba"))
    simulation.run()
    simulation.add(("b", 0, 100), ("a", 0, 15_000))
    simulation.run(2)
    simulation.add(*spread(2, size=100, streams="ba"))
    simulation.run(30)
    assert_all_sent(simulation)


def test_a_stream_at_rest_is_proven_by_a_repeat_of_its_last_line(simulation: Simulation) -> None:
    simulation.add(*spread(8))
    simulation.run()
    simulation.add(*spread(8))
    simulation.run()
    before = simulation.sink.requests
    simulation.prove()
    assert simulation.sink.requests == before + 7
    assert simulation.loki.repeats == 7
    simulation.prove()
    assert simulation.sink.requests == before + 7
    assert DOUBTED_FOR == 60.0


def test_a_line_that_is_not_valid_any_more_proves_nothing_and_holds_up_no_other_proof(simulation: Simulation) -> None:
    """What rode along before it is sent again; it is parked itself, as it would be now."""
    simulation.add(*spread(8))
    simulation.run()
    simulation.add(*spread(8), ("b", 0, 2000))
    simulation.run()
    simulation.loki.limits.max_line = 1000
    simulation.prove()
    simulation.run(5)
    assert set(simulation.letters.reasons) == {17}
    simulation.prove()
    assert not set(simulation.delivery.planners.of(DESTINATION).unproven())
    assert simulation.doubts_are_booked
    assert not simulation.not_held


def test_what_a_loki_that_was_restarted_twice_refused_unnoticed_is_sent_again(simulation: Simulation) -> None:
    """Between the two there was no room for a stream that was believed to exist; after the second there is."""
    simulation.add(("a", 0, 50), ("b", 0, 50))
    simulation.run()
    simulation.loki.limits.max_streams = 2
    simulation.restart()
    simulation.add(("a", 0, 50), ("c", 0, 50))
    simulation.run()
    simulation.add(("a", 0, 50), ("b", 0, 50))
    simulation.run()
    simulation.restart()
    for _ in range(3):
        simulation.add(("b", 0, 50))
        simulation.run(1)
    assert not simulation.not_held
    simulation.loki.limits.max_streams = 3
    simulation.run(60)
    assert_all_sent(simulation)
