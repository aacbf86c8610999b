"""What a simulation is given to push."""

from __future__ import annotations

from tests.senders.loki.simulation import Simulation

STREAMS = "abcdefgh"


def spread(count: int, size: int = 300, streams: str = STREAMS, behind: int = 0) -> list[tuple[str, int, int]]:
    return [(streams[number % len(streams)], behind, size) for number in range(count)]


def assert_all_sent(simulation: Simulation) -> None:
    assert simulation.sent == simulation.items.keys()
    assert not simulation.not_held
