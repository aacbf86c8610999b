"""A YAML file as plain data, with the place of every key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from kigeon.errors import ConfigurationError, Problem, shorten

MAX_VALUES = 100_000
"""Limit on values: YAML anchors can expand a short file beyond any memory."""

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of the file."""


@dataclass(slots=True)
class Document:
    """What a file says, and where: the line and column (from 1) of each key and list item."""

    data: Any = None
    marks: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str, cure: str = "") -> Problem:
        """Return a problem at *path*, or at the nearest place above it that the file has."""
        known = path
        while known and known not in self.marks:
            known = known[:-1]
        line, column = self.marks.get(known, (1, 1))
        return Problem(dotted(path), message, cure, line, column)


def dotted(path: KeyPath) -> str:
    """Return *path* as a reader writes it: ``eventsenders[0].config.url``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_document(text: str, source: str) -> Document:
    """Read YAML; :class:`ConfigurationError` with line and column when it is none.

    Doubled keys and keys that are no text are problems of the document: the rest can still be examined.
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return _Reader(loader).read(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        # The alias or tag itself may be a password that begins with * or !.
        message = re.sub(r"(undefined alias|undefined tag handle).*", r"\1", error.problem or "")
        raise ConfigurationError(source, (Problem("", f"no YAML: {message}", "", line, column),)) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(source, (Problem("", f"no YAML: {shorten(str(error), 200)}", "", 1, 1),)) from None
    except RecursionError:
        raise ConfigurationError(source, (Problem("", "is nested too deeply", "", 1, 1),)) from None


class _Reader:
    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._document = Document()
        self._within: list[int] = []
        self._count = 0

    def read(self, node: yaml.Node | None) -> Document:
        self._document.data = None if node is None else self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        if id(node) in self._within:
            self._problem(path, node, "refers to itself", "")
            return None
        self._count += 1
        if self._count > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES} values", problem_mark=node.start_mark)
        self._within.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
            return self._constructed(node, path)
        finally:
            self._within.pop()

    def _constructed(self, node: yaml.Node, path: KeyPath) -> Any:
        try:
            value = self._loader.construct_object(node, deep=True)
            # JSON writes a character above U+FFFF as two surrogates; one of them alone is no character.
            return value.encode("utf-16", "surrogatepass").decode("utf-16") if isinstance(value, str) else value
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
            # A date that does not exist, or an unknown tag. The message does not quote it: it may be a password.
            self._problem(path, node, "can't be read as what it looks like", "put it in quotes")
            return ""

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.marks[path] = _place(node)
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._constructed(key_node, path)
            if not isinstance(key, str):
                shown = f" {key_node.value[:40]}" if isinstance(key_node, yaml.ScalarNode) else ""
                self._problem(path, key_node, f"the key{shown} is no text", "put it in quotes")
                continue
            if key in found and own.count(key) > 1:
                self._problem((*path, key), key_node, "is there twice", "keep one of the two")
            self._document.marks[(*path, key)] = _place(key_node)
            found[key] = self._value(value_node, (*path, key))
        return found

    def _problem(self, path: KeyPath, node: yaml.Node, message: str, cure: str) -> None:
        self._document.problems.append(Problem(dotted(path), message, cure, *_place(node)))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
