"""``kigeon completion``: what a shell needs to complete the command line, made from the one parser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SHELLS = ("bash", "zsh")


def run_completion(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the completion for *shell*. It is static: completing starts no kigeon."""
    import shtab

    _complete_files(parser, shtab.FILE)
    sys.stdout.write(shtab.complete(parser, shell).rstrip("\n") + "\n")
    return 0


def _complete_files(parser: argparse.ArgumentParser, how: object) -> None:
    """Have every argument that is a path completed as one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command, how)
        elif action.type is Path:
            action.complete = how  # type: ignore[attr-defined]
