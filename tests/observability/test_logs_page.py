"""docs/logs.md has every message at warn and error that the code can log, at its level, with its cure; and no other."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logs.md").read_text()
SOURCES = sorted([*(ROOT / "kigeon").rglob("*.py"), *(ROOT / "actors").rglob("*.py")])
LEVELS = {"warning": "warn", "error": "error", "exception": "error", "critical": "error", "log": ""}
"""A method, and the level that it logs at; what ``log`` logs at is said where it is called."""

LOGGERS = re.compile(r"_?(log|logger|few)")


def calls(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """Yield the level and the message of each call of a logger in a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        owner = node.func.value
        name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
        if LOGGERS.fullmatch(name):
            yield LEVELS[node.func.attr], node.args[1 if node.func.attr == "log" else 0]


def texts(message: ast.expr, path: Path) -> Iterator[str]:
    """Yield what *message* may be: a constant of its module, one of two, or itself."""
    if isinstance(message, ast.IfExp):
        yield from texts(message.body, path)
        yield from texts(message.orelse, path)
    elif isinstance(message, ast.Constant):
        yield str(message.value)
    elif isinstance(message, ast.Name) and message.id.isupper():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield getattr(importlib.import_module(module), message.id)
    elif not (path.name == "throttle.py" and isinstance(message, ast.Name)):
        raise AssertionError(f"{path}:{message.lineno}: a message is a constant sentence")


def logged() -> dict[str, set[str]]:
    """Return each message that the code may log at warn or error, and at which of these levels where that is fixed."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        for level, message in calls(path):
            for text in texts(message, path):
                found.setdefault(text, set()).update({level} - {""})
    return found


def documented() -> dict[str, tuple[str, str]]:
    """Return the level and the cure of each message of the page."""
    rows = re.findall(r"^\| (warn|error|warn, error) \| `([^`]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert len({message for _, message, _ in rows}) == len(rows)
    return {message: (level, cure) for level, message, cure in rows}


def test_every_message_at_warn_and_error_is_there_and_no_other() -> None:
    found = logged()
    assert len(found) > 60
    assert sorted(found.keys() - documented().keys()) == []
    assert sorted(documented().keys() - found.keys()) == []


def test_each_is_there_at_its_level() -> None:
    rows = documented()
    assert {message: rows[message][0] for message, levels in logged().items() if levels} == {
        message: ", ".join(sorted(levels, reverse=True)) for message, levels in logged().items() if levels
    }


def test_each_has_something_to_do() -> None:
    assert [message for message, (_, cure) in documented().items() if len(cure.split()) < 3] == []


def test_the_keys_and_files_that_it_names_are_there() -> None:
    assert not [path for path in re.findall(r"`((?:deploy|tests)/[^`]+)`", PAGE) if not (ROOT / path).exists()]
    example = (ROOT / "examples" / "config" / "full.yaml").read_text()
    for key in re.findall(r"`(?:queue|global)\.(\w+)`", PAGE):
        assert f"{key}:" in example


@pytest.mark.parametrize("message", ["the watch is established", "the destination takes events again"])
def test_the_course_of_things_is_said_at_info(message: str) -> None:
    assert f"| `{message}` |" in PAGE
    assert any(f'log.info("{message}"' in path.read_text() for path in SOURCES)
