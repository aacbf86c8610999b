"""The stand-in answers as a real Loki was seen to: ``tests/conformance/test_standin_loki.py`` compares them."""

from __future__ import annotations

import re
import time
from typing import Any

import orjson
import pytest
import requests

from tests.support.loki import Limits, Loki

HOUR = 3600.0
KB = 1024


@pytest.fixture
def loki(loki: Loki) -> Loki:
    """Return one whose clock stands still."""
    now = time.time()
    loki.clock = lambda: now
    return loki


def stream(name: str, *lines: Any, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a stream of a push; a line is its text, or its age in seconds and its text."""
    values = []
    for number, line in enumerate(lines):
        age, text = line if isinstance(line, tuple) else (10.0, line)
        stamp = time.time_ns() - int(age * 1e9) + number
        values.append([str(stamp), text, *([metadata] if metadata else [])])
    return {"stream": {"app": name}, "values": values}


def push(loki: Loki, *streams: dict[str, Any], tenant: str = "t") -> tuple[int, str]:
    """Push *streams*; return status and text."""
    response = requests.post(
        f"{loki.url}/loki/api/v1/push",
        data=orjson.dumps({"streams": streams}),
        headers={"Content-Type": "application/json", "X-Scope-OrgID": tenant},
        timeout=10,
    )
    return response.status_code, response.text


def texts(loki: Loki) -> list[str]:
    return [line.line for line in loki.lines]


# ------------------------------------------------------------------------------------------------- the last stream wins


def test_a_new_stream_at_the_limit_is_refused_and_named(loki: Loki) -> None:
    loki.limits.max_streams = 1
    assert push(loki, stream("old", "1"))[0] == 204
    status, text = push(loki, stream("new", "2"))
    assert status == 429
    assert text.startswith(
        'maximum active stream limit exceeded when trying to create stream {app="new", service_name="new"}, reduce the'
    )
    assert text.endswith("user: 't'")
    assert texts(loki) == ["1"]


def test_a_stream_that_exists_hides_a_new_one_at_the_limit(loki: Loki) -> None:
    loki.limits.max_streams = 1
    push(loki, stream("old", "1"))
    assert push(loki, stream("new", "2"), stream("old", "3")) == (204, "")
    assert texts(loki) == ["1", "3"]


def test_two_streams_that_exist_are_kept_when_the_new_one_after_them_is_refused(loki: Loki) -> None:
    loki.limits.max_streams = 2
    push(loki, stream("a", "1"), stream("b", "2"))
    status, text = push(loki, stream("a", "3"), stream("b", "4"), stream("new", "5"))
    assert (status, '{app="new"' in text) == (429, True)
    assert texts(loki) == ["1", "2", "3", "4"]


def test_a_line_hours_behind_its_stream_is_refused_with_its_time(loki: Loki) -> None:
    push(loki, stream("a", "new"))
    late = stream("a", (3 * HOUR, "late"))
    status, text = push(loki, late)
    assert status == 400
    day, reason = r"\d{4}-\d\d-\d\d", "entry too far behind, entry timestamp is"
    clock = r"\d\d:\d\d:\d\d"
    assert re.fullmatch(
        rf"entry with timestamp {day} {clock}\.\d+ \+0000 UTC ignored, reason: '{reason}: {day}T{clock}Z,"
        rf" oldest acceptable timestamp is: {day}T{clock}Z',\nuser 't', total ignored: 1 out of 1 for stream:"
        r' {app="a", service_name="a"}',
        text,
    )
    assert texts(loki) == ["new"]


def test_a_stream_after_it_hides_a_late_line(loki: Loki) -> None:
    push(loki, stream("a", "new"))
    assert push(loki, stream("a", (3 * HOUR, "late")), stream("b", "other"))[0] == 204
    assert texts(loki) == ["new", "other"]


def test_a_good_line_between_late_ones_is_kept(loki: Loki) -> None:
    push(loki, stream("a", "new"))
    status, text = push(loki, stream("a", (3 * HOUR, "late"), "good", (2 * HOUR, "late too")))
    assert (status, "total ignored: 2 out of 3" in text) == (400, True)
    assert texts(loki) == ["new", "good"]


def test_ten_of_many_late_lines_are_named(loki: Loki) -> None:
    push(loki, stream("a", "new"))
    text = push(loki, stream("a", *((3 * HOUR, str(number)) for number in range(12))))[1]
    assert (text.count("entry with timestamp"), "total ignored: 12 out of 12" in text) == (10, True)


def test_a_late_line_in_a_stream_of_its_own_is_asked_for_the_limit(loki: Loki) -> None:
    loki.limits.max_streams = 1
    push(loki, stream("a", "new"))
    assert push(loki, stream("late", (3 * HOUR, "late")))[0] == 429
    loki.limits.max_streams = 2
    assert push(loki, stream("late", (3 * HOUR, "late")))[0] == 204


def test_a_stream_over_its_rate_is_refused_whole(loki: Loki) -> None:
    loki.limits = Limits(stream_rate=100 * KB, stream_burst=200 * KB)
    status, text = push(loki, stream("a", *(str(number) * 904 for number in range(10)), "x" * 200 * KB))
    assert status == 429
    assert "reason: 'Per stream rate limit exceeded (limit: 100KB/sec) while attempting to ingest for stream" in text
    assert """'{app="a", service_name="a"}' totaling 904B, consider splitting""" in text
    assert "total ignored: 11 out of 11 for stream: {app=" in text
    assert texts(loki) == []


def test_a_stream_over_its_rate_is_hidden_by_the_one_after_it(loki: Loki) -> None:
    loki.limits = Limits(stream_rate=100 * KB, stream_burst=200 * KB)
    assert push(loki, stream("a", "x" * 150 * KB, "y" * 150 * KB), stream("b", "small"))[0] == 204
    assert texts(loki) == ["small"]


def test_a_stream_takes_more_as_time_passes(loki: Loki) -> None:
    loki.limits = Limits(stream_rate=100 * KB, stream_burst=200 * KB)
    assert push(loki, stream("a", "x" * 150 * KB))[0] == 204
    assert push(loki, stream("a", "y" * 100 * KB))[0] == 429
    later = loki.clock() + 3
    loki.clock = lambda: later
    assert push(loki, stream("a", "y" * 100 * KB))[0] == 204


def test_without_sharding_a_rate_is_asked_line_by_line(loki: Loki) -> None:
    loki.limits = Limits(stream_rate=100 * KB, stream_burst=200 * KB, shard_streams=False)
    status, text = push(loki, stream("a", *(sign * 90 * KB for sign in "xyz")))
    assert (status, "total ignored: 1 out of 3" in text) == (429, True)
    assert [text[0] for text in texts(loki)] == ["x", "y"]


# ----------------------------------------------------------------------------------------------------- the distributor


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (stream("bad", (8 * 24 * HOUR, "1")), "has timestamp too old: "),
        (stream("bad", (-HOUR, "1")), "has timestamp too new: "),
        (stream("bad", "x" * 257 * KB), "max entry size '262144' bytes exceeded for stream "),
        ({**stream("bad", "1"), "stream": {f"l{n}": "1" for n in range(16)}}, "has 16 label names; limit 15"),
        (stream("v" * 2049, "1"), "has label value too long"),
        (stream("bad", "1", metadata={"m": "x" * 65 * KB}), "has structured metadata too large: '66561' bytes"),
        (stream("bad", "1", metadata={str(n): "" for n in range(129)}), "too many structured metadata labels: '129'"),
    ],
    ids=["too old", "too new", "a long line", "many labels", "a long label", "large metadata", "much metadata"],
)
def test_what_the_distributor_refuses_is_answered_in_any_order(
    loki: Loki, place: int, bad: dict[str, Any], said: str
) -> None:
    streams = [stream("a", "good"), stream("b", "good")]
    streams.insert(place, bad)
    status, text = push(loki, *streams)
    assert (status, said in text) == (400, True), text
    assert texts(loki) == ["good", "good"]


def test_structured_metadata_that_is_not_allowed_is_refused_line_by_line(loki: Loki) -> None:
    loki.limits.allow_structured_metadata = False
    status, text = push(loki, stream("a", "1", "2", metadata={"m": "v"}), stream("b", "plain"))
    assert status == 400
    assert text.startswith("""2 errors like: stream '{app="a", service_name="a"}' includes structured metadata, but""")
    assert texts(loki) == ["plain"]


def test_a_tenant_over_its_rate_is_refused_as_a_whole(loki: Loki) -> None:
    loki.overrides["t"] = Limits(tenant_rate=100, tenant_burst=150)
    status, text = push(loki, stream("a", "x" * 100), stream("b", "x" * 51))
    assert status == 429
    assert text.startswith(
        "ingestion rate limit exceeded for user t (limit: 100 bytes/sec) while attempting to ingest '2' lines"
    )
    assert push(loki, stream("a", "x" * 100), stream("b", "x" * 51), tenant="other")[0] == 204
    assert {line.tenant for line in loki.lines} == {"other"}


def test_blocked_ingestion_looks_like_success(loki: Loki) -> None:
    loki.limits.blocked_until = loki.clock() + 60
    status, text = push(loki, stream("a", "1"))
    assert (status, text.startswith("ingestion blocked for user 't' until '")) == (260, True)
    assert texts(loki) == []


def test_the_ingester_hides_what_the_distributor_refused(loki: Loki) -> None:
    loki.limits.max_streams = 1
    status, text = push(loki, stream("a", (8 * 24 * HOUR, "old"), "good"), stream("b", "new"))
    assert (status, "stream limit" in text, "too old" in text) == (429, True, False)
    assert texts(loki) == ["good"]


@pytest.mark.parametrize(
    ("tenant", "said"),
    [
        ("a/b", "tenant ID 'a/b' contains unsupported character '/'"),
        ("a@b", "tenant ID 'a@b' contains unsupported character '@'"),
        ("a|b", "multiple org IDs present"),
        ("..", "tenant ID is '.' or '..'"),
        ("x" * 151, "tenant ID is too long: max 150 characters"),
    ],
)
def test_a_tenant_that_is_none_gets_nothing(loki: Loki, tenant: str, said: str) -> None:
    assert push(loki, stream("a", "1"), tenant=tenant) == (400, said)
    assert texts(loki) == []


def test_labels_that_are_none_refuse_the_whole_push(loki: Loki) -> None:
    status, text = push(loki, {**stream("a", "1"), "stream": {"a-b": "x"}}, stream("b", "good"))
    assert (status, text.startswith("couldn't parse labels: ")) == (400, True)
    assert texts(loki) == []


# ------------------------------------------------------------------------------------------------------- what it knows


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"job": "j", "app": "a"}, "a"),
        ({"namespace": "n"}, "unknown_service"),
        ({"app": "a", "service_name": "s"}, "s"),
        ({}, "unknown_service"),
    ],
)
def test_a_stream_gets_the_name_of_its_service(loki: Loki, labels: dict[str, str], service: str) -> None:
    assert push(loki, {**stream("", "1"), "stream": labels})[0] == 204
    (line,) = loki.lines
    assert line.labels == tuple(sorted({**labels, "service_name": service}.items()))


def test_labels_are_written_as_loki_writes_them(loki: Loki) -> None:
    loki.limits.max_streams = 0
    text = push(loki, {**stream("", "1"), "stream": {"b": 'q"\\\n\u2028ü', "app": "a"}})[1]
    assert '{app="a", b="q\\"\\\\\\n\\u2028ü", service_name="a"}' in text


def test_a_repeat_is_dropped_and_counted_in_each_tenant_on_its_own(loki: Loki) -> None:
    same = stream("a", "1", "2")
    assert [push(loki, same)[0] for _ in range(3)] == [204, 204, 204]
    assert push(loki, same, tenant="other")[0] == 204
    assert (texts(loki), loki.repeats) == (["1", "2", "1", "2"], 4)


def test_a_repeat_of_the_last_line_is_not_asked_for_its_rate(loki: Loki) -> None:
    loki.limits = Limits(stream_rate=1, stream_burst=100)
    same = stream("a", "x" * 60)
    assert [push(loki, same)[0] for _ in range(2)] == [204, 204]
    assert push(loki, stream("a", "y" * 60))[0] == 429
    assert loki.repeats == 1


def test_after_a_restart_streams_are_new(loki: Loki) -> None:
    loki.limits.max_streams = 1
    push(loki, stream("a", "1"))
    loki.restart()
    assert push(loki, stream("b", "2"))[0] == 204
    assert push(loki, stream("a", "3"))[0] == 429
    assert texts(loki) == ["1", "2"]


def test_without_its_log_a_restart_loses_what_is_held(loki: Loki) -> None:
    lost = stream("a", "1")
    push(loki, lost)
    loki.restart(keep=False)
    assert texts(loki) == []
    assert push(loki, lost)[0] == 204
    assert (texts(loki), loki.repeats) == (["1"], 0)
