"""The drawings of the benchmarks show what they are given."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench.drawing import FLAME_WIDTH, chart, flames, step
from tests.bench.profiling import stacks_of, stacks_of_perf

NAMES = {"svg": "http://www.w3.org/2000/svg"}

PERF = """nats-server 42 12.5:     250000 cpu-clock:
        468d2e runtime.futex.abi0+0x21 (/bin/nats-server)
        43c8f2 runtime.futexsleep+0x32 (/bin/nats-server)

nats-server 42 12.6:     250000 cpu-clock:
        43c8f2 runtime.futexsleep+0x36 (/bin/nats-server)

"""


def test_a_chart_has_a_line_for_each_series() -> None:
    found = ElementTree.fromstring(chart("a < b", "x", "y", {"up": [(0, 0), (10, 5)], "flat": [(0, 5), (10, 5)]}))
    lines = [line.attrib["points"].split() for line in found.findall("svg:polyline", NAMES)]
    assert len(lines) == 2
    (first, last), (_, flat) = lines
    assert last == flat
    assert float(first.split(",")[1]) > float(last.split(",")[1])
    assert "a < b" in [text.text for text in found.findall("svg:text", NAMES)]


@pytest.mark.parametrize(("most", "distance"), [(20_000, 5000), (153, 25), (4.3, 1), (0.63, 0.1)])
def test_an_axis_has_round_marks(most: float, distance: float) -> None:
    assert step(most) == pytest.approx(distance)


def test_a_flame_is_as_wide_as_its_samples() -> None:
    found = ElementTree.fromstring(flames("watcher", stacks_of("main;read 30\nmain;write 10\n")))
    widths = {
        title.text: float(rect.attrib["width"])
        for title, rect in zip(
            found.findall(".//svg:title", NAMES), found.findall(".//svg:g/svg:rect", NAMES), strict=True
        )
    }
    assert widths == {"main 100.0%": FLAME_WIDTH, "read 75.0%": FLAME_WIDTH * 0.75, "write 25.0%": FLAME_WIDTH * 0.25}


def test_what_was_done_before_the_fork_is_left_out() -> None:
    forked = "main (a.py:1);BaseProcess.run (multiprocessing/process.py:108);run (b.py:2)"
    assert stacks_of(f"{forked} 3\nrun (b.py:2) 1\n") == {"run (b.py:2)": 4}


def test_stacks_of_perf_begin_with_the_outermost() -> None:
    assert stacks_of_perf(PERF) == {"runtime.futexsleep;runtime.futex.abi0": 1, "runtime.futexsleep": 1}
