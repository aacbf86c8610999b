"""What kigeon's processes take of memory: ``python -m tests.bench.memory [--rate EVENTS] [--seconds S] [--senders N]``.

The proportional set size (PSS) of each process of the tree, in MiB: what several share is divided among them, so that
the sum is what the tree takes. *Own* is what a process wrote to, and shares with none. Without a rate nothing happens
but ten events at the start. The stand-ins run in this process.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import title

FIRST = 10


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="what memory it takes")
    parser.add_argument("--rate", type=int, default=0, help="events a second")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--encoding", default="protobuf")
    asked = parser.parse_args()
    with ApiServer() as api, Loki() as loki, tempfile.TemporaryDirectory() as folder:
        api.put_events(make_event(number) for number in range(FIRST))
        senders = [loki_sender(loki, f"loki-{number}", encoding=asked.encoding) for number in range(asked.senders)]
        with Kigeon(Path(folder) / "kigeon", api, senders, global_={"logLevel": "info"}) as kigeon:
            loki.wait_for(FIRST)
            flow(api, asked.rate, asked.seconds)
            tell(kigeon)


def flow(api: ApiServer, rate: int, seconds: float) -> None:
    """Put events for so long."""
    began = time.monotonic()
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate)
        api.put_events(make_event(FIRST + each) for each in range(number, due))
        number = due
        time.sleep(0.01)


def tell(kigeon: Kigeon) -> None:
    """Print what each process takes, and all of them."""
    found = [(title(pid), size_of(pid, "Pss"), size_of(pid, "Private_Dirty")) for pid in kigeon.tree()]
    sys.stdout.write(f"{'':60} {'PSS':>8} {'own':>8}\n")
    for name, shared, own in [*found, ("all", *(sum(column) for column in list(zip(*found, strict=True))[1:]))]:
        sys.stdout.write(f"{name[:60]:60} {shared:8.1f} {own:8.1f}\n")


def size_of(pid: int, what: str) -> float:
    """Return one line of what the kernel knows of a process's memory, in MiB."""
    found = re.search(rf"^{what}: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
