"""How long kigeon takes to start: ``python -m tests.bench.start [--rounds N] [--digests N] [--other PYTHON]``.

From the start of the process to the first event at Loki, once with an empty queue, once with one that holds a million
digests, as after a day of twelve events a second. The cluster has one Event, which nobody has seen. ``--other`` is the
Python of another installation of kigeon (an earlier version): it is measured in the same turns.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.connection import connected
from kigeon.queue.broker.process import NatsServer
from kigeon.queue.broker.stream_configs import file_store_bytes
from kigeon.queue.broker.streams import declare
from kigeon.senders.progress.envelope import Position
from kigeon.senders.progress.outcome import Outcome
from kigeon.standin.apiserver import ApiServer
from tests.bench.lists import Figures, tell
from tests.support.crowd import PAGE, fill_events, put_position
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki


def fill(data: Path, count: int) -> None:
    """Write a queue that holds *count* events, all of them sent."""
    queue = QueueSettings()
    with NatsServer(data, file_store_bytes(queue)) as server:
        server.start()

        async def write() -> None:
            async with connected(server.address, "bench") as client:
                await declare(client, queue, "loki")
                await fill_events(client, count)
                position = Position(count // PAGE + 1, count + 1, 1, counts={Outcome.SENT: count}, explained=count)
                await put_position(client, "loki", position)

        asyncio.run(write())


def started(python: str, filled: Path | None) -> Figures:
    """Measure a start, with the queue that is *filled*, or none."""
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "kigeon"
        api.put_events([make_event(0)])
        kigeon = Kigeon(folder, api, [loki_sender(loki)], global_={"logLevel": "info"})
        kigeon.python = python
        if filled is not None:
            shutil.copytree(filled, folder / "data")
        began = time.monotonic()
        with kigeon:
            loki.wait_for(1)
            return {"first event at Loki after, s": loki.pushes[0].time - began}


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="how long it takes to start")
    parser.add_argument("--digests", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    asked = parser.parse_args()
    pythons = {"": sys.executable, **{f" (other {number})": name for number, name in enumerate(asked.other)}}
    found: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "data", asked.digests)
        queues = {"empty": None, f"{asked.digests} digests": Path(name) / "data"}
        for _ in range(asked.rounds):
            for kind, filled in queues.items():
                for version, python in pythons.items():
                    found.setdefault(kind + version, []).append(started(python, filled))
    sys.stdout.write(f"{'':69} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)


if __name__ == "__main__":
    main()
