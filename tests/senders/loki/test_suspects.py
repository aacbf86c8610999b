"""Events that are refused alone."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.senders.loki.pushes import STREAMS, assert_all_sent, spread
from tests.senders.loki.simulation import Simulation


def test_an_answer_that_no_loki_gives_holds_after_a_few_tries(simulation: Simulation) -> None:
    simulation.loki.always = lambda tenant: 400
    simulation.add(*spread(300))
    simulation.run()
    assert simulation.sink.requests < 24
    simulation.run(60)
    assert not simulation.letters.reasons
    simulation.loki.always = lambda tenant: 0
    simulation.run(60)
    assert_all_sent(simulation)


def test_an_event_that_is_refused_alone_for_no_known_reason_is_parked_when_others_are_taken(
    simulation: Simulation,
) -> None:
    simulation.loki.refuse = lambda line: line.line.startswith(("7 ", "70 "))
    simulation.add(*spread(100))
    simulation.run(60)
    assert set(simulation.letters.reasons) == {7, 70}
    assert len(simulation.sent) == 98
    assert not simulation.not_held


def test_a_poisonous_event_holds_up_its_destination_until_another_is_taken(simulation: Simulation) -> None:
    simulation.loki.refuse = lambda line: line.line.startswith("1 ")
    simulation.add(("a", 0, 100))
    simulation.run(60)
    assert simulation.waiting == {1}
    simulation.add(("a", 0, 100))
    simulation.run(60)
    assert (simulation.sent, set(simulation.letters.reasons)) == ({2}, {1})


line = st.tuples(st.sampled_from(STREAMS), st.integers(0, 4 * 3600), st.sampled_from([50, 300, 2000, 20_000]))
