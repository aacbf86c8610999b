"""What a value may be, and how everything wrong with a file is found in one run. The only module that knows voluptuous.

A validator gets what the file says and returns what the settings hold; what is wrong is a :class:`Wrong` with its
cure. Voluptuous collects the problems, and :class:`Section` adds the unknown keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import voluptuous

from kigeon.config.quantities import parse_duration, parse_size

Validator = Callable[[Any], Any]

Key = tuple[Validator, Any] | Validator
"""What a key's value may be, and its default; without one it is required."""

Problems = list[tuple[tuple[str | int, ...], str, str]]
"""Paths, what is wrong there, and what would be right."""


class Wrong(voluptuous.Invalid):
    """What is wrong with a value, and what would be right."""

    def __init__(self, message: str, cure: str = "", path: Iterable[str | int] = ()) -> None:
        super().__init__(message, list(path))
        self.cure = cure


class Section:
    """A mapping with known keys. A key with a default may be left out; one without is required.

    *together* returns what is wrong with values together that are valid each on its own.
    """

    def __init__(
        self,
        keys: Mapping[str, Key],
        together: Callable[[dict[str, Any]], Iterable[Wrong]] = lambda found: (),
    ) -> None:
        self._together = together
        self._keys = list(keys)
        # Voluptuous would validate its defaults; these defaults are settings already.
        self._defaults = {key: found[1] for key, found in keys.items() if isinstance(found, tuple)}
        schema: dict[Any, Validator] = {}
        for key, found in keys.items():
            if isinstance(found, tuple):
                schema[voluptuous.Optional(key)] = found[0]
            else:
                schema[voluptuous.Required(key, msg="is required")] = found
        self._schema = voluptuous.Schema(schema)

    def __call__(self, given: Any) -> dict[str, Any]:
        """Validate *given*; an empty section is one in which everything is left out."""
        if given is not None and not isinstance(given, dict):
            raise Wrong("must be a mapping of keys to values")
        given = given or {}
        wrong: list[voluptuous.Invalid] = [self._unknown(key) for key in given if key not in self._keys]
        try:
            found = self._schema({key: value for key, value in given.items() if key in self._keys})
            found = {**self._defaults, **found}
            wrong += self._together(found)
            return found
        except voluptuous.MultipleInvalid as error:
            wrong += error.errors
        finally:
            if wrong:
                raise voluptuous.MultipleInvalid(wrong)
        return {}

    def _unknown(self, key: str) -> Wrong:
        lowered = {known.lower(): known for known in self._keys}
        close = get_close_matches(key.lower(), lowered, n=1, cutoff=0.6)
        cure = f"did you mean `{lowered[close[0]]}`?" if close else f"known keys: {', '.join(self._keys)}"
        return Wrong("unknown key", cure, [key])


def check(schema: Validator, given: Any) -> tuple[Any, Problems]:
    """Return what *schema* makes of *given*, and everything wrong with it as path, message and cure."""
    try:
        return schema(given), []
    except voluptuous.MultipleInvalid as error:
        return None, [_told(each) for each in error.errors]
    except voluptuous.Invalid as error:
        return None, [_told(error)]


def _told(error: voluptuous.Invalid) -> tuple[tuple[str | int, ...], str, str]:
    path = tuple(part if isinstance(part, int) else str(part) for part in error.path)
    return path, error.error_message, getattr(error, "cure", "")


def refuse(wrong: Sequence[Wrong]) -> None:
    """Raise all that is *wrong* with a value at once, if anything is."""
    if wrong:
        raise voluptuous.MultipleInvalid(list(wrong))


def text(given: Any) -> str:
    """A text; a number or a boolean has to be put in quotes."""
    if not isinstance(given, str):
        raise Wrong("must be a text", "" if given is None else "put it in quotes")
    return given


def some_text(given: Any) -> str:
    """A text that is not empty."""
    if not text(given):
        raise Wrong("must not be empty")
    return str(given)


def boolean(given: Any) -> bool:
    """True or false."""
    if not isinstance(given, bool):
        raise Wrong("must be true or false")
    return given


def one_of(*choices: str) -> Validator:
    """One of a few words."""

    def validate(given: Any) -> str:
        if given not in choices or not isinstance(given, str):
            close = get_close_matches(str(given), choices, n=1)
            cure = f"did you mean `{close[0]}`?" if close else ""
            raise Wrong(f"must be one of {', '.join(choices)}", cure)
        return given

    return validate


def duration(zero: bool = False, least: float = 0.0) -> Validator:
    """A duration in seconds; *zero* says that 0 has a meaning."""

    def validate(given: Any) -> float:
        shown = "0" if given == 0 and not isinstance(given, bool) else given
        if not isinstance(shown, str):
            raise Wrong("must be a duration with a unit", "for example 100ms, 5s, 1h30m")
        try:
            seconds = parse_duration(shown)
        except ValueError:
            raise Wrong(f"`{shown[:40]}` is no duration", "for example 100ms, 5s, 1h30m") from None
        if not zero and seconds <= 0:
            raise Wrong("must be longer than 0")
        if seconds and seconds < least:
            raise Wrong(f"must be at least {least:g}s")
        return seconds

    return validate


def size(least: int) -> Validator:
    """A size in bytes."""

    def validate(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, (int, str)):
            raise Wrong("must be a size", "for example 500Mi, 1Gi, 1048576")
        try:
            found = parse_size(str(given))
        except ValueError:
            raise Wrong(f"`{str(given)[:40]}` is no size", "for example 500Mi, 1Gi, 1048576") from None
        if found < least:
            raise Wrong(f"must be at least {least // 2**20}Mi")
        return found

    return validate


def address(given: Any) -> str:
    """Where to listen, ``host:port``; no host means every address of the machine, "" means nowhere."""
    found = re.fullmatch(r"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", text(given))
    if given and (found is None or int(found[1]) > 65535):
        cure = 'for example 127.0.0.1:8080, ":8080" for every address, "" for none'
        raise Wrong("must be an address with a port", cure)
    return str(given)


def rate(given: Any) -> float:
    """A number per second."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 1 <= given <= 10_000:
        raise Wrong("must be a number from 1 to 10000", "for example 200")
    return float(given)


def whole(least: int, most: int) -> Validator:
    """A whole number within bounds."""

    def validate(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise Wrong(f"must be a whole number from {least} to {most}", "for example 2")
        return given

    return validate


def labels(key: Callable[[str], str], value: Callable[[str], bool], what: str) -> Validator:
    """A mapping of label names to values; *key* returns what is wrong with a name, *value* says if a value is valid."""

    def validate(given: Any) -> dict[str, str]:
        given = {} if given is None else given
        if not isinstance(given, dict):
            raise Wrong("must be a mapping of label names to values")
        wrong: list[Wrong] = [Wrong(problem, path=[name]) for name in given if (problem := key(str(name)))]
        for name, found in given.items():
            if not isinstance(found, str):
                wrong.append(Wrong("must be a text", "put it in quotes", [name]))
            elif not value(found):
                wrong.append(Wrong(f"is no value of {what}", path=[name]))
        refuse(wrong)
        return dict(given)

    return validate
