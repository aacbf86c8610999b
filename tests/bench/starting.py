"""How long a start takes: ``python -m tests.bench.starting [--rounds N] [--other PYTHON]``.

From the start of the process, with an empty data directory and one Event in the cluster, to that event's being held by
Loki. ``--other`` is the Python of another installation of kigeon, measured in turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki


def start(python: str) -> float:
    """Return the seconds that *python*'s kigeon takes."""
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as folder:
        api.put_events([make_event(0)])
        kigeon = Kigeon(Path(folder) / "kigeon", api, [loki_sender(loki)], global_={"logLevel": "info"})
        kigeon.python = python
        began = time.monotonic()
        with kigeon:
            loki.wait_for(1)
            return loki.pushes[0].time - began


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description="how long a start takes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--other", action="append", default=[], help="the Python of another installation")
    asked = parser.parse_args()
    pythons = [sys.executable, *asked.other]
    rounds = [[start(python) for python in pythons] for _ in range(asked.rounds)]
    for python, found in zip(pythons, zip(*rounds, strict=True), strict=True):
        sys.stdout.write(f"{python:60} {min(found):6.2f} {median(found):6.2f} {max(found):6.2f} s\n")


if __name__ == "__main__":
    main()
