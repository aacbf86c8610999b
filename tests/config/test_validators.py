"""Validators, each on its own: what they take, what they make of it, and what they say of the rest."""

from typing import Any

import pytest
import voluptuous

from kigeon.config.validators import (
    Section,
    Validator,
    Wrong,
    address,
    boolean,
    check,
    duration,
    one_of,
    rate,
    size,
    some_text,
    text,
)


@pytest.mark.parametrize(
    ("validator", "given", "found"),
    [
        (text, "", ""),
        (boolean, False, False),
        (one_of("a", "b"), "b", "b"),
        (duration(), "1h30m", 5400.0),
        (duration(zero=True), 0, 0.0),
        (duration(least=2.0), "2s", 2.0),
        (size(1), "1Ki", 1024),
        (size(1), 7, 7),
        (address, ":8080", ":8080"),
        (address, "[::1]:80", "[::1]:80"),
        (address, "", ""),
        (rate, 1, 1.0),
    ],
)
def test_what_is_valid_becomes_a_setting(validator: Validator, given: Any, found: Any) -> None:
    assert check(validator, given) == (found, [])


@pytest.mark.parametrize(
    ("validator", "given", "said", "cure"),
    [
        (text, 7, "must be a text", "put it in quotes"),
        (text, None, "must be a text", ""),
        (some_text, "", "must not be empty", ""),
        (boolean, "true", "must be true or false", ""),
        (boolean, 1, "must be true or false", ""),
        (one_of("debug", "info"), "inof", "must be one of debug, info", "did you mean `info`?"),
        (one_of("debug", "info"), [], "must be one of debug, info", ""),
        (duration(), 5, "must be a duration with a unit", "for example 100ms"),
        (duration(), 0, "must be longer than 0", ""),
        (duration(), True, "must be a duration with a unit", "for example 100ms"),
        (duration(least=2.0), "1s", "must be at least 2s", ""),
        (size(2**20), "1Ki", "must be at least 1Mi", ""),
        (size(1), "5Mb", "`5Mb` is no size", "for example 500Mi"),
        (size(1), True, "must be a size", "for example 500Mi"),
        (address, "8080", "must be an address with a port", "127.0.0.1:8080"),
        (address, "a:65536", "must be an address with a port", "127.0.0.1:8080"),
        (rate, 0.5, "must be a number from 1 to 10000", "for example 200"),
        (rate, True, "must be a number from 1 to 10000", "for example 200"),
    ],
)
def test_what_is_not_is_refused_with_a_cure(validator: Validator, given: Any, said: str, cure: str) -> None:
    found, ((path, message, told),) = check(validator, given)
    assert (found, path, message) == (None, (), said)
    assert told.startswith(cure) if cure in ("", "did you mean `info`?") else cure in told


SECTION = Section({"url": some_text, "retries": (duration(), 3.0), "inner": (Section({"key": text}), None)})


def test_what_is_left_out_has_its_default_as_it_stands() -> None:
    assert check(SECTION, {"url": "a"}) == ({"url": "a", "retries": 3.0, "inner": None}, [])


def test_everything_wrong_is_told_at_once_each_with_its_path() -> None:
    _, problems = check(SECTION, {"ulr": "a", "retries": 1, "inner": {"key": 7, "more": 1}})
    assert {(path, message) for path, message, _ in problems} == {
        (("ulr",), "unknown key"),
        (("url",), "is required"),
        (("retries",), "must be a duration with a unit"),
        (("inner", "key"), "must be a text"),
        (("inner", "more"), "unknown key"),
    }
    assert "did you mean `url`?" in [cure for path, _, cure in problems if path == ("ulr",)]


@pytest.mark.parametrize("given", [[], "a", 7])
def test_a_section_is_a_mapping(given: Any) -> None:
    assert check(SECTION, given)[1] == [((), "must be a mapping of keys to values", "")]


def test_what_does_not_go_together_is_refused_only_where_each_is_valid() -> None:
    pair = Section(
        {"a": (text, ""), "b": (text, "")}, lambda found: [Wrong("both")] if found["a"] and found["b"] else []
    )
    assert check(pair, {"a": "1"})[1] == []
    assert [problem[1] for problem in check(pair, {"a": "1", "b": "2"})[1]] == ["both"]
    assert [problem[1] for problem in check(pair, {"a": 1, "b": "2"})[1]] == ["must be a text"]


def test_it_is_voluptuous_that_collects() -> None:
    with pytest.raises(voluptuous.MultipleInvalid):
        SECTION({})
