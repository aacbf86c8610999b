"""Memory that was freed goes back to the system, although something above it is still in use."""

import subprocess
import sys

# A process of its own: in another one's memory there may be room already.
PROGRAM = """
from pathlib import Path
from kigeon.processes import give_memory_back

def resident():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("RssAnon")))

print(resident())
blocks = [b"x" * size for size in [4096] * 16_000]
last = blocks[-1]
print(resident())
blocks.clear()
print(resident())
give_memory_back()
print(resident())
"""


def test_what_was_freed_is_given_back() -> None:
    output = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    before, taken, freed, given_back = map(int, output.split())
    size = taken - before
    assert size > 60_000
    assert freed - before > size / 2, "what is freed is given back anyway: nothing is shown"
    assert given_back - before < size / 4
