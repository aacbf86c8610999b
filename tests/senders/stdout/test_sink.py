"""Standard output as a destination."""

import os

from kigeon.senders.entry import PushStatus
from kigeon.senders.stdout.sink import StdoutSink
from tests.support.events import make_event


def test_standard_output_gets_whole_lines() -> None:
    reading, writing = os.pipe()
    sink = StdoutSink(writing)
    entries = [sink.entry(make_event(number), None) for number in range(20)]
    assert sink.push(entries[0].destination, entries).status is PushStatus.DELIVERED
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read().splitlines() == [entry.line for entry in entries]


def test_a_reader_that_is_gone_holds() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = StdoutSink(writing)
    entry = sink.entry(make_event(1), None)
    assert sink.push(entry.destination, [entry]).status is PushStatus.HOLD
    os.close(writing)
