"""The stand-in Loki, compared with a real one: the same pushes, the same answers, the same lines held afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

import pytest

from kigeon.senders.loki.settings import ENCODINGS
from tests.conformance.both import Both, stream
from tests.conformance.loki import RealLoki
from tests.support.loki import Loki

KB = 1024
HOUR = 3600.0
ORDERS = list(permutations(range(3)))
ODD = 'quote " and \\ and\nline\u2028ü'


@pytest.fixture
def both(real_loki: RealLoki, loki: Loki) -> Iterator[Both]:
    yield Both(real_loki, loki)
    real_loki.limit({})


@pytest.fixture(params=ENCODINGS)
def coded(both: Both, request: pytest.FixtureRequest) -> Both:
    """Both, pushed to in each encoding."""
    both.encoding = request.param
    return both


def tenants_of(tenant: str) -> list[str]:
    """Return a tenant for each order of three streams."""
    return [f"{tenant}-{'-'.join(map(str, order))}" for order in ORDERS]


def in_every_order(both: Both, tenant: str, before: list[Any], streams: list[Any]) -> list[tuple[int, str]]:
    """Push three *streams* in each order, each to a tenant that got *before*; return the answers."""
    answers = []
    for name, order in zip(tenants_of(tenant), ORDERS, strict=True):
        assert not before or both.push(name, *before)[0] == 204
        answers.append(both.push(name, *(streams[index] for index in order)))
        both.held(name)
    return answers


def test_the_stream_limit(both: Both, tenant: str) -> None:
    both.limit(*tenants_of(tenant), max_streams=2)
    before = [stream("a", "1"), stream("b", "2")]
    answers = in_every_order(both, tenant, before, [stream("new", "3"), stream("a", "4"), stream("b", "5")])
    assert [status for status, _ in answers] == [429 if order[-1] == 0 else 204 for order in ORDERS]
    assert all(both.held(name).total() == 4 for name in tenants_of(tenant))


def test_lines_too_far_behind(both: Both, tenant: str) -> None:
    mixed = stream("a", (2 * HOUR, "late"), "good", (2 * HOUR, "late as well"))
    answers = in_every_order(both, tenant, [stream("a", (5, "1"))], [mixed, stream("b", "2"), stream("c", "3")])
    assert [status for status, _ in answers] == [400 if order[-1] == 0 else 204 for order in ORDERS]
    assert all(both.held(name).total() == 4 for name in tenants_of(tenant))


def test_the_rate_of_a_stream(both: Both, tenant: str) -> None:
    both.limit(*tenants_of(tenant), stream_rate=100 * KB, stream_burst=200 * KB)
    large = stream("a", *(f"{number} ".ljust(30 * KB, "x") for number in range(10)), metadata={"pod": "web-1"})
    answers = in_every_order(both, tenant, [stream("a", "1")], [large, stream("b", "2"), stream("c", "3")])
    assert [status for status, _ in answers] == [429 if order[-1] == 0 else 204 for order in ORDERS]
    assert all(both.held(name).total() == 3 for name in tenants_of(tenant))


def test_the_rate_of_a_stream_line_by_line(both: Both, tenant: str) -> None:
    both.limit(*tenants_of(tenant), stream_rate=100 * KB, stream_burst=200 * KB, shard_streams=False)
    large = stream("a", *(f"{number} ".ljust(90 * KB, "x") for number in range(4)))
    in_every_order(both, tenant, [], [large, stream("b", "2"), stream("c", "3")])
    assert all(both.held(name).total() == 4 for name in tenants_of(tenant))


def test_a_stream_that_is_over_its_rate_and_late(both: Both, tenant: str) -> None:
    both.limit(tenant, stream_rate=100 * KB, stream_burst=200 * KB)
    both.push(tenant, stream("a", "1"))
    status, text = both.push(tenant, stream("a", (2 * HOUR, "late"), "x" * 150 * KB, "y" * 150 * KB))
    assert (status, "total ignored: 2 out of 3" in text) == (429, True)
    assert both.held(tenant).total() == 1


def test_a_late_line_in_a_stream_of_its_own(both: Both, tenant: str) -> None:
    both.limit(tenant, max_streams=1)
    both.push(tenant, stream("a", "1"))
    late = stream("late", (2 * HOUR, "2"))
    assert both.push(tenant, late)[0] == 429
    both.limit(tenant, max_streams=2)
    assert both.push(tenant, late)[0] == 204
    assert both.held(tenant).total() == 2


def test_more_late_lines_than_an_answer_names(both: Both, tenant: str) -> None:
    both.push(tenant, stream("a", "1"))
    text = both.push(tenant, stream("a", *((2 * HOUR, str(number)) for number in range(15))))[1]
    assert text.count("ignored, reason:") == 10


def test_lines_of_a_new_stream_that_are_not_in_order(both: Both, tenant: str) -> None:
    """Nothing sorts them: a line lies behind those that came before it in the push."""
    assert both.push(tenant, stream("a", "new", (2 * HOUR, "late"), "newer"))[0] == 400
    assert both.held(tenant).total() == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (stream("bad", (8 * 24 * HOUR, "1"), "good"), "too old"),
        (stream("bad", (-HOUR, "1"), "good"), "too new"),
        (stream("bad", "x" * 257 * KB, "good"), "max entry size"),
        ({**stream("bad", "1", "2"), "stream": {f"l{number}": "1" for number in range(16)}}, "16 label names"),
        (stream("v" * 2049, "1", "2"), "label value too long"),
        ({**stream("", "1"), "stream": {"n" * 1025: "v"}}, "label name too long"),
        (stream("bad", "1", metadata={"m": "x" * 65 * KB}), "structured metadata too large"),
        (stream("bad", "1", metadata={f"m{number}": "v" for number in range(129)}), "too many structured metadata"),
    ],
    ids=lambda part: part.replace(" ", "-") if isinstance(part, str) else "",
)
def test_what_the_distributor_refuses(both: Both, tenant: str, bad: Mapping[str, Any], said: str) -> None:
    answers = in_every_order(both, tenant, [], [bad, stream("b", "2"), stream("c", "3")])
    assert all(status == 400 and said in text for status, text in answers)


def test_labels_as_many_as_are_allowed(coded: Both, tenant: str) -> None:
    """The name of the service is not counted."""
    labels = {f"l{number}": "1" for number in range(15)}
    assert coded.push(tenant, {**stream("", "1"), "stream": labels})[0] == 204
    assert coded.push(tenant, {**stream("", "2"), "stream": {**labels, "service_name": "s"}})[0] == 204
    assert coded.held(tenant).total() == 2


def test_structured_metadata_that_is_not_allowed(both: Both, tenant: str) -> None:
    both.limit(*tenants_of(tenant), allow_structured_metadata=False)
    bad = stream("a", "1", "2", metadata={"pod": "web-1"})
    answers = in_every_order(both, tenant, [], [bad, stream("b", "2"), stream("c", "3")])
    assert {status for status, _ in answers} == {400}


def test_the_rate_of_a_tenant(both: Both, tenant: str) -> None:
    both.limit(tenant, tenant_rate=100 * KB, tenant_burst=150 * KB)
    bad = stream("old", (8 * 24 * HOUR, "1"))
    status, text = both.push(tenant, stream("a", "x" * 100 * KB), bad, stream("b", "y" * 100 * KB))
    assert (status, "too old" in text) == (429, False)
    assert both.held(tenant).total() == 0


def test_blocked_ingestion(both: Both, tenant: str) -> None:
    both.limit(tenant, blocked_until=float(int(time.time()) + 600))
    assert both.push(tenant, stream("a", "1"), stream("b", "2"))[0] == 260
    assert both.push(tenant, stream("a", (8 * 24 * HOUR, "old")))[0] == 260
    assert both.push(tenant, stream("v" * 2049, "1"), stream("b", "2"))[0] == 400
    assert both.held(tenant).total() == 0


def test_an_ingester_hides_what_the_distributor_found(both: Both, tenant: str) -> None:
    both.limit(tenant, max_streams=1)
    old = (8 * 24 * HOUR, "old")
    assert both.push(tenant, stream("a", old, "1"))[0] == 400
    status, text = both.push(tenant, stream("a", old, "2"), stream("new", "3"))
    assert (status, "too old" in text) == (429, False)
    status, text = both.push(tenant, stream("new", "3"), stream("a", old, "4"))
    assert (status, "too old" in text) == (400, True)
    assert both.held(tenant).total() == 3


@pytest.mark.parametrize("name", ["a/b", "a@b", "a|b", "a b", "..", "x" * 151])
def test_tenants_that_are_none(both: Both, name: str) -> None:
    assert both.push(name, stream("a", "1"))[0] == 400
    assert not both.standin.lines


def test_odd_names_of_tenants(both: Both, tenant: str) -> None:
    for name in (f"{tenant}:sub", f"{tenant}|{tenant}", tenant + "!-_.*'()", tenant.ljust(150, "x")):
        assert both.push(name, stream("a", name))[0] == 204
    assert both.held(tenant).total() == 2


@pytest.mark.parametrize(
    "labels", [{}, {"namespace": "n"}, {"job": "j"}, {"job": "j", "app": "a"}, {"app": ""}, {"service_name": ""}]
)
def test_the_name_of_a_service(coded: Both, tenant: str, labels: dict[str, str]) -> None:
    assert coded.push(tenant, {**stream("", "1"), "stream": labels})[0] == 204
    assert coded.held(tenant).total() == 1


@pytest.mark.parametrize("labels", [{"a-b": "x"}, {"1a": "x"}, {"": "x"}, {"a": "\ufffd"}], ids=str)
def test_labels_that_are_none(coded: Both, tenant: str, labels: dict[str, str]) -> None:
    assert coded.push(tenant, stream("a", "1"), {**stream("", "2"), "stream": labels})[0] == 400
    assert coded.held(tenant).total() == 0


def test_how_labels_are_written(coded: Both, tenant: str) -> None:
    coded.limit(tenant, max_streams=1)
    coded.push(tenant, stream("a", "1"))
    assert coded.push(tenant, {**stream("", "2"), "stream": {"z": ODD, "b": "\U0001f600\x7f\t\x01"}})[0] == 429


def test_pushes_without_anything(coded: Both, tenant: str) -> None:
    assert coded.push(tenant)[0] == 422
    assert coded.push(tenant, stream("a"))[0] == 204
    assert coded.push(tenant, stream("a"), stream("b", "1"))[0] == 204
    assert coded.held(tenant).total() == 1


def test_repeats(coded: Both, tenant: str) -> None:
    same = stream("a", "1", "2", "3", metadata={"pod": "web-1"})
    for _ in range(3):
        assert coded.push(tenant, same)[0] == 204
    assert coded.held(tenant).total() == 3
    assert coded.real.count(tenant) == 3


def test_a_repeat_that_is_late(both: Both, tenant: str) -> None:
    """What Loki holds it refuses all the same where its stream has gone on."""
    late = stream("a", (2 * HOUR, "1"))
    assert [both.push(tenant, streams)[0] for streams in (late, late, stream("a", "2"), late)] == [204, 204, 204, 400]
    assert both.held(tenant).total() == 2
