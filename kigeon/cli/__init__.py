"""The command line: ``kigeon start``, ``check``, ``demo``."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run kigeon with *argv*, the command line's own by default; return the exit status."""
    from kigeon.cli.command import run

    return run(argv)
