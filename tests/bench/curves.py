"""What a rate of events costs, drawn: ``python -m tests.bench.curves [--seconds S] [--rounds N] [--folder docs]``.

From 0 to 20,000 events a second, one stream: the processor time and the memory (PSS) of all of kigeon's processes, and
of each of them. Each rate has a kigeon of its own. The stand-ins run in this process, on the same processors; they have
the events ready before the clock runs, and look at the pushes when it has stopped (:mod:`tests.bench.light`). Where a
rate can't be made all the same, the drawing ends before it. It prints the medians and writes ``processor.svg``,
``processor-event.svg`` and ``memory.svg``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median

from tests.bench.drawing import Points, chart
from tests.bench.light import LightCluster, PreparedApi, RecordingLoki
from tests.bench.steady import SETTLED, Figures, at_rate, kigeon

RATES = (0, 20, 200, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000)

MADE = 0.9
"""How much of a rate has to be made, and held by Loki, within the time for it: otherwise the machine is too slow."""

SHARE = "% of a core: "
SHOWN = (SHARE + "all", "PSS, MiB", "latency, p50, ms", "latency, p99, ms")
X_LABEL = "events a second"


def measure(rate: int, seconds: float) -> Figures:
    """Return the figures of *rate*, and what it was."""
    with PreparedApi() as api, RecordingLoki() as loki:
        cluster = LightCluster(api, loki)
        with kigeon(sys.executable, cluster) as roles:
            api.wait_for_watches(timeout=30.0)
            cluster.latency()
            time.sleep(SETTLED)
            cluster.prepare(int(rate * seconds))
            made, began = cluster.made, time.monotonic()
            figures = at_rate(cluster, roles(), rate, seconds)
            last = max([push.time for push in loki.pushes], default=began + seconds)
            return {**figures, "rate": (cluster.made - made) / max(last - began, seconds)}


def medians(rounds: list[Figures]) -> Figures:
    """Return the median of each figure."""
    return {name: median(figures.get(name, 0.0) for figures in rounds) for name in rounds[0]}


def line(found: list[Figures], name: str) -> Points:
    """Return one figure over the rate."""
    return [(figures["rate"], figures.get(name, 0.0)) for figures in found]


def draw(found: list[Figures], folder: Path, about: str) -> None:
    """Write the drawings."""
    roles = [name.removeprefix(SHARE) for name in found[-1] if name.startswith(SHARE)]
    shares = {role: line(found, SHARE + role) for role in sorted(roles, key=lambda role: -found[-1][SHARE + role])[:8]}
    per_event = [(each["rate"], each[SHARE + "all"] / each["rate"] * 1e4) for each in found if each["rate"] > 1000]
    for name, title, y_label, series in (
        ("processor", "Processor time", "% of a core", shares),
        ("processor-event", "Processor time of an event, all processes", "µs", {"all": per_event}),
        ("memory", "Memory of all processes (PSS)", "MiB", {"all": line(found, "PSS, MiB")}),
    ):
        (folder / f"{name}.svg").write_text(chart(title, f"{X_LABEL} ({about})", y_label, series))


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description="what a rate costs, drawn")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each rate")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rates", type=int, nargs="*", default=RATES, help="events a second")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    parser.add_argument("--about", default=time.strftime("%Y-%m-%d"), help="machine, versions, date")
    asked = parser.parse_args()
    found = []
    for rate in asked.rates:
        figures = medians([measure(rate, asked.seconds) for _ in range(asked.rounds)])
        shown = {name: figures.get(name, 0.0) for name in SHOWN}
        text = "  ".join(f"{name} {value:8.1f}" for name, value in shown.items())
        sys.stdout.write(f"{rate:7}/s, made {figures['rate']:7.0f}/s  {text}\n")
        if figures["rate"] < rate * MADE:
            break
        found.append(figures)
    draw(found, asked.folder, asked.about)


if __name__ == "__main__":
    main()
