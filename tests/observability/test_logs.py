import ast
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from logging.config import dictConfig
from pathlib import Path
from typing import Any

import pytest

from kigeon.observability.logs import bind, configure, definitions

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
Configure = Callable[..., io.StringIO]


@pytest.fixture
def configured() -> Iterator[Configure]:
    """Configure the root logger onto a text; leave it afterwards as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def begin(level: str = "info", form: str = "json", context: Mapping[str, Any] = {}) -> io.StringIO:
        stream = io.StringIO()
        configure(level, form, stream, context)
        return stream

    yield begin
    root.handlers[:], root.level = before[0], before[1]


def entry(stream: io.StringIO) -> dict[str, object]:
    assert stream.getvalue().count("\n") == 1
    found = json.loads(stream.getvalue())
    assert isinstance(found, dict)
    return found


def test_a_record_is_one_json_object_with_its_context(configured: Configure) -> None:
    stream = configured()
    logging.getLogger("kigeon.room").info("a %s is here", "thing", extra={"sender": "loki", "uid": "u1", "count": 3})
    found = entry(stream)
    assert TIME.fullmatch(str(found.pop("time")))
    assert found == {
        "level": "info",
        "component": "kigeon.room",
        "message": "a thing is here",
        "sender": "loki",
        "uid": "u1",
        "count": 3,
    }


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_nested_too_deeply_to_be_shown_does_not_end_who_logs_it(configured: Configure, form: str) -> None:
    stream = configured(form=form)
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    logging.getLogger("kigeon").info("strange", extra={"uid": deep, "sender": "loki"})
    assert "<list that can't be shown: RecursionError>" in stream.getvalue()
    assert "loki" in stream.getvalue()


def test_lines_and_control_characters_stay_on_one_line(configured: Configure) -> None:
    stream = configured()
    logging.getLogger("kigeon").info("first\nsecond\u2028\x00", extra={"text": "a\r\nb"})
    assert entry(stream)["message"] == "first\nsecond\u2028\x00"


def test_an_exception_is_on_the_line_of_its_record(configured: Configure) -> None:
    stream = configured()
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("kigeon").exception("it failed")
    found = entry(stream)
    assert (found["level"], found["message"]) == ("error", "it failed")
    assert str(found["exception"]).startswith("Traceback")
    assert str(found["exception"]).endswith("ValueError: no such thing")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (object, "<class 'object'>"),
        (frozenset({1}), "frozenset({1})"),
        ({1: {"deep": (1, 2)}}, {"1": {"deep": [1, 2]}}),
        (float("nan"), None),
        (10**30, str(10**30)),
        ("file-\udcff", "file-\udcff"),
    ],
)
def test_no_value_loses_a_record(configured: Configure, value: object, shown: object) -> None:
    stream = configured()
    logging.getLogger("kigeon").info("here", extra={"value": value})
    assert entry(stream)["value"] == shown


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(configured: Configure, form: str, level: str, heard: list[str]) -> None:
    stream = configured(level, form)
    log = logging.getLogger("kigeon.levels")
    for say in (log.debug, log.info, log.warning, log.error):
        say("said")
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["level"] if form == "json" else line.split()[1] for line in lines] == heard


@pytest.mark.parametrize(("level", "heard"), [("debug", 1), ("info", 1), ("error", 0)])
def test_libraries_are_heard_from_warning_on(configured: Configure, level: str, heard: int) -> None:
    stream = configured(level)
    for name in ("urllib3.connectionpool", "kubernetes.client", "nats", "asyncio", "requests"):
        logging.getLogger(name).info("chatter")
    logging.getLogger("urllib3.connectionpool").warning("a retry")
    assert len(stream.getvalue().splitlines()) == heard


def test_text_is_a_line_with_key_and_value_pairs(configured: Configure) -> None:
    stream = configured(form="text")
    logging.getLogger("kigeon.room").warning("it is away", extra={"sender": "loki", "attempt": 2})
    when, rest = stream.getvalue().split(" ", 1)
    assert TIME.fullmatch(when)
    assert rest == "warn  kigeon.room: it is away sender=loki attempt=2\n"


def test_text_shows_an_exception_below_its_line(configured: Configure) -> None:
    stream = configured(form="text")
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("kigeon").exception("it failed")
    first, second, *_, last = stream.getvalue().splitlines()
    assert (first.endswith("kigeon: it failed"), second, last) == (
        True,
        "Traceback (most recent call last):",
        "ValueError: no such thing",
    )


def test_configuring_again_replaces(configured: Configure) -> None:
    first, second = configured("debug"), configured("error")
    logging.getLogger("kigeon").error("once")
    assert (first.getvalue(), entry(second)["message"]) == ("", "once")


SENDER = {"actor": "sender/loki", "sender": "loki"}


def test_every_record_holds_the_context_of_its_process_and_its_own_wins(configured: Configure) -> None:
    stream = configured(context=SENDER)
    logging.getLogger("urllib3").warning("a retry")
    logging.getLogger("kigeon").info("kept", extra={"sender": "gone", "attempt": 2})
    library, own = map(json.loads, stream.getvalue().splitlines())
    assert {key: library[key] for key in ("actor", "sender", "component")} == {**SENDER, "component": "urllib3"}
    assert (own["actor"], own["sender"], own["attempt"]) == ("sender/loki", "gone", 2)


def test_text_holds_the_context_of_its_process_too(configured: Configure) -> None:
    stream = configured(form="text", context=SENDER)
    logging.getLogger("kigeon.room").warning("it is away", extra={"attempt": 2})
    assert stream.getvalue().endswith("kigeon.room: it is away actor=sender/loki sender=loki attempt=2\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_forked_process_says_what_it_is_and_no_more_what_the_other_was(configured: Configure, form: str) -> None:
    stream = configured(form=form, context=SENDER)
    bind({"actor": "queue"})
    logging.getLogger("kigeon").info("here")
    assert "queue" in stream.getvalue()
    assert "loki" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_thespian_logs_says_so(configured: Configure, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    dictConfig(definitions(form))
    logging.getLogger("kigeon.thespians").warning("here")
    said = capsys.readouterr().err
    assert ('"actor":"thespian"' if form == "json" else "actor=thespian") in said


def extras_in(tree: ast.AST) -> Iterator[ast.Dict]:
    """Return the dicts that are passed as ``extra``, or named so."""
    for node in ast.walk(tree):
        named = isinstance(node, ast.keyword) and node.arg == "extra"
        named |= isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "extra"
        if named and isinstance(node.value, ast.Dict):  # type: ignore[attr-defined]
            yield node.value  # type: ignore[attr-defined]


def test_no_context_has_a_key_that_a_record_has_already() -> None:
    taken = {*vars(logging.makeLogRecord({})), "asctime", "level", "message", "taskName", "time"}
    root = Path(__file__).parents[2]
    found = 0
    for file in [*root.glob("kigeon/**/*.py"), *root.glob("actors/**/*.py")]:
        for extra in extras_in(ast.parse(file.read_text())):
            keys = {key.value for key in extra.keys if isinstance(key, ast.Constant)}
            assert not keys & taken, f"{file}:{extra.lineno}"
            found += 1
    assert found > 40
