"""Hostile input, by the million: ``python -m tests.fuzz [--lines N] [--seed S]``.

Everything that comes from outside, or back from the disk, is damaged from a seed: lines of watches and pages of lists
(on their whole way to the body of a push), configurations, what hooks return, envelopes, durable records, answers of
Loki and of an API server. Nothing may be fatal (only documented errors are raised), and nothing silent: what was told
is what arrived and what was skipped, to the line. It prints its seed; the same seed does the same damage.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.account import Account, watch
from tests.fuzz.answers import cluster, loki
from tests.fuzz.configs import files, hooks, results
from tests.fuzz.durable import envelopes, records
from tests.fuzz.whole import whole

LINES = int(os.environ.get("FUZZ_LINES", 1_000_000))
PIECE = 50_000
"""Lines of one informer; its part of the seed is its number."""

Stage = tuple[str, Callable[[int, int], Account], int]


def stages(lines: int) -> list[Stage]:
    """Return what is to be done: where, by what, and how much of it."""
    pieces = [min(PIECE, lines - start) for start in range(0, lines, PIECE)]
    share = max(lines // 1000, 10)
    return [
        ("a whole kigeon", whole, 10 * share),
        ("hooks", hooks, 3 * share),
        ("files", files, 4 * share),
        ("results of hooks", results, 50 * share),
        ("envelopes", envelopes, 20 * share),
        ("durable records", records, 10 * share),
        ("answers of Loki", loki, 4 * share),
        ("answers of an API server", cluster, 4 * share),
        *(("watches and lists", watch, piece) for piece in pieces),
    ]


def run(seed: int, lines: int) -> dict[str, Account]:
    """Run every stage; return their accounts."""
    accounts: dict[str, Account] = {}
    # Informers wait, now and then, before they try again: two more than there are processors.
    with ProcessPoolExecutor((os.cpu_count() or 1) + 2, initializer=_be_quiet) as pool:
        chosen = stages(lines)
        futures = [pool.submit(stage, seed * 1000 + number, amount) for number, (_, stage, amount) in enumerate(chosen)]
        for (name, _, _), future in zip(chosen, futures, strict=True):
            accounts.setdefault(name, Account()).add(future.result())
    return accounts


def _be_quiet() -> None:
    """Each thing skipped would be a line of the log: they are made, as they would be, and not shown."""
    logging.basicConfig(handlers=[logging.NullHandler()], level=logging.WARNING)


def main() -> int:
    """Run once; the exit status is 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description="say hostile things to every part, and count what became of them")
    parser.add_argument("--lines", type=int, default=LINES, help="lines of watches; the rest is in proportion")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}, {arguments.lines} lines\n")
    sys.stdout.flush()
    began = time.monotonic()
    accounts = run(arguments.seed, arguments.lines)
    wrong = [f"{name}: {what}" for name, account in accounts.items() for what in account.wrong]
    for name, account in accounts.items():
        sys.stdout.write(f"{name}\n" + "".join(f"  {what:42} {n:9}\n" for what, n in account.figures.items()))
    sys.stdout.write("".join(f"WRONG {what[:3000]}\n" for what in wrong[:100]))
    sys.stdout.write(f"seed {arguments.seed}: {len(wrong)} wrong, {time.monotonic() - began:.0f} s\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
