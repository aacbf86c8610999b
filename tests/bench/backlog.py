"""A backlog from list to Loki, as a user runs kigeon: ``python -m tests.bench.backlog [EVENTS]``.

The stand-ins run in this process, on the same processors, and work as little as they can meanwhile
(:mod:`tests.bench.light`); with ``--lifelike`` they make each page and look at each push while kigeon runs. It prints
events a second between the first push and the last, and from the start of kigeon to the last; the processor time of all
of kigeon's processes for an event (their start included), that of the stand-ins meanwhile, the memory of the whole tree
(PSS), the latency of single events (from their creation in the API server to their being held), and the time from
SIGTERM to exit. For a figure that can be compared across machines it prints the ratio to what this machine's Python
does with the same events alone: parse each and gzip the lines. ``--cluster`` has
kigeon use a JetStream cluster of three nats-servers, each stream on all three; they run on the same processors, and are
not counted as kigeon's.
``--profile`` draws what each process does while the backlog is sent (:mod:`tests.bench.profiling`).
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from kigeon.senders.line import fields_to_send, line_of
from kigeon.standin.apiserver import ApiServer
from tests.bench.light import PreparedApi, RecordingLoki
from tests.bench.profiling import profiled
from tests.bench.steady import roles_of
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.nats import NatsCluster
from tests.support.processes import processor_seconds, proportional_memory

SINGLE_EVENTS = 100

SILENCE = 0.25
"""Seconds before a single event: more than what lies between two batches."""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="a backlog from list to Loki")
    parser.add_argument("events", type=int, nargs="?", default=50_000)
    parser.add_argument("--profile", type=Path, help="the folder for flame graphs of kigeon's processes")
    parser.add_argument("--cluster", action="store_true", help="on a JetStream cluster of three nats-servers")
    parser.add_argument("--lifelike", action="store_true", help="stand-ins that do everything while kigeon runs")
    asked = parser.parse_args()
    count = asked.events
    events = [make_event(number) for number in range(count)]
    alone = reference(events)
    with ExitStack() as stack:
        api, loki = stack.enter_context(PreparedApi()), stack.enter_context(RecordingLoki())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sections: dict[str, Any] = {"global_": {"logLevel": "info"}}
        if asked.cluster:
            sections["queue"] = stack.enter_context(NatsCluster(folder / "nats")).queue(folder / "secrets")
        api.put_events(events)
        if not asked.lifelike:
            api.prepare_list()
            loki.record()
        started, own = time.monotonic(), time.process_time()
        with Kigeon(folder / "kigeon", api, [loki_sender(loki)], **sections) as kigeon:
            with profiled(asked.profile, roles_of(kigeon) if asked.profile else {}):
                own = loki.await_all(count) - own
            tree, first, last = kigeon.tree(), loki.pushes[0], loki.pushes[-1]
            rate = (count - first.lines) / (last.time - first.time)
            say("events/s, first push to last", rate)
            say("events/s, from the start", count / (last.time - started))
            say("ratio to parsing and gzipping them alone", rate / alone)
            say("processor µs/event, all processes", processor_seconds(tree) / count * 1e6)
            say("processor µs/event, the stand-ins meanwhile", own / count * 1e6)
            say("PSS of the whole tree, MiB", proportional_memory(tree) / 2**20)
            latencies = sorted(latency(api, loki, count + number, events) for number in range(SINGLE_EVENTS))
            say("latency of a single event, median, ms", latencies[SINGLE_EVENTS // 2] * 1e3)
            say("latency of a single event, p99, ms", latencies[SINGLE_EVENTS * 99 // 100] * 1e3)
            began = time.monotonic()
            status = kigeon.stop()
            say(f"from SIGTERM to exit (status {status}), s", time.monotonic() - began)
        assert_once(loki.lines, events)


def reference(events: list[dict[str, Any]]) -> float:
    """Return how many of *events* a second one process parses and gzips."""
    raw = [orjson.dumps(event) for event in events]
    began = time.monotonic()
    for start in range(0, len(raw), 1000):
        lines = [line_of(fields_to_send(orjson.loads(event))) for event in raw[start : start + 1000]]
        gzip.compress("\n".join(lines).encode(), compresslevel=1)
    return len(raw) / (time.monotonic() - began)


def latency(api: ApiServer, loki: Loki, number: int, events: list[dict[str, Any]]) -> float:
    """Return the seconds from an event's creation to its being held."""
    event = make_event(number)
    events.append(event)
    time.sleep(SILENCE)
    began = time.monotonic()
    api.put_events([event])
    loki.wait_for(len(events))
    return time.monotonic() - began


def say(what: str, figure: float) -> None:
    """Print a figure."""
    sys.stdout.write(f"{what:45} {figure:12.2f}\n")


if __name__ == "__main__":
    main()
