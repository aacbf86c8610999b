"""What a hook costs that every event passes: ``python -m tests.bench.hook [--rounds N] [--events N] [--other PYTHON]``.

A backlog of one stream from list to Loki, with and without the hook, in turns. Events a second are counted from the
first push that arrives to the last. kigeon runs as its user runs it, the stand-ins in this process, on the same
processors. ``--other`` is the Python of another installation of kigeon (an earlier one), measured in the same turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.bench.lists import Figures, tell
from tests.bench.streams import wait_for_lines
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import processor_seconds

SCRIPT = "def transform(config, event):\n    return config\n"


def backlog(python: str, count: int, has_hook: bool) -> Figures:
    """Measure a backlog from the first arrival to the last."""
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pass.star").write_text(SCRIPT)
        hook: dict[str, Any] = {"hook": {"script": str(folder / "pass.star")}} if has_hook else {}
        api.put_events(make_event(number) for number in range(count))
        kigeon = Kigeon(folder / "kigeon", api, [loki_sender(loki, **hook)], global_={"logLevel": "info"})
        kigeon.python = python
        with kigeon:
            wait_for_lines(loki, count)
            first, last = loki.pushes[0], loki.pushes[-1]
            return {
                "events/s": (count - first.lines) / (last.time - first.time),
                "processor µs/event": processor_seconds(kigeon.tree()) / count * 1e6,
            }


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="what a hook costs")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    asked = parser.parse_args()
    pythons = {"": sys.executable, **{f" (other {number})": name for number, name in enumerate(asked.other)}}
    found: dict[str, list[Figures]] = {}
    for _ in range(asked.rounds):
        for kind, has_hook in (("without a hook", False), ("with a hook", True)):
            for name, python in pythons.items():
                found.setdefault(kind + name, []).append(backlog(python, asked.events, has_hook))
    sys.stdout.write(f"{'':69} {'least':>10} {'median':>10} {'most':>10}\n")
    for what, rounds in found.items():
        tell(what, rounds)


if __name__ == "__main__":
    main()
