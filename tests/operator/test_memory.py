"""How much memory an answer may take."""

from __future__ import annotations

import subprocess
import sys


def test_what_was_freed_goes_back_to_the_kernel() -> None:
    """An answer's pages are read in threads; what they took is not kept for the next page of the same thread."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from kigeon.operator.memory import data_bytes, limit_memory\n"
        "limit_memory()\n"
        "before = data_bytes()\n"
        "def take(_): return [bytes(100_000) for _ in range(150)][-1]\n"
        "with ThreadPoolExecutor(3) as threads: kept = list(threads.map(take, range(9)))\n"
        "print((data_bytes() - before) // 2**20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 8
