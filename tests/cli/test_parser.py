"""docs/commands.md has every command, and of each the options that its parser has, in its words."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.cli.parser import make_parser

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of what can be run."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in action.choices.values():
            yield from commands(command)


COMMANDS = {command.prog: command for command in commands(make_parser())}


def rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the rows of a command's table."""
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = str(action.metavar or ", ".join(map(str, action.choices or ())))
        takes = action.nargs != 0
        names = ", ".join(f"{name} {value}".strip() if takes else name for name in action.option_strings) or value
        yield f"| `{names}` | {action.help} |"


def section(prog: str) -> str:
    """Return what the page says of a command."""
    found = re.search(rf"^## {re.escape(prog)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/commands.md has no section of {prog}"
    return found[1]


def test_every_command_has_a_section_and_no_other() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("prog", COMMANDS)
def test_a_section_has_the_options_of_its_command(prog: str) -> None:
    shown = re.findall(r"^\| `.*\|$", section(prog), re.MULTILINE)
    assert shown == list(rows(COMMANDS[prog]))


def test_the_examples_are_command_lines_that_mean_something() -> None:
    lines = re.findall(r"^kigeon (.*)$", "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        make_parser().parse_args([word.strip("'\"") for word in line.partition(" | ")[0].partition(" > ")[0].split()])
