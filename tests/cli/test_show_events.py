"""Events as kubectl shows them: on a terminal of 80 columns, on a broad one, in a pipe."""

from typing import Any

import pytest

from kigeon.cli.show_events import EventTable, row_of
from kigeon.cli.terminal import Look
from kigeon.events.occurrence import parse_time
from tests.support.events import make_event

NOW = parse_time("2026-11-28T12:00:00Z") / 1e9


def event(**fields: Any) -> dict[str, Any]:
    times = {"firstTimestamp": "2026-11-28T11:00:00Z", "lastTimestamp": "2026-11-28T11:59:55Z"}
    return make_event(1, **{**times, "message": "Back-off restarting failed container", **fields})


def test_in_a_pipe_the_columns_are_kubectls() -> None:
    lines = list(EventTable(Look(), namespaces=False).lines([row_of(event())], NOW))
    assert [line.split() for line in lines] == [
        ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        ["5s", "Warning", "BackOff", "pod/web-1", "Back-off", "restarting", "failed", "container"],
    ]
    assert lines[0].index("MESSAGE") == lines[1].index("Back-off restarting")


def test_wide_adds_what_kubectl_adds() -> None:
    shown = event(count=7)
    shown["involvedObject"]["fieldPath"] = "spec.containers{web}"
    head, line = EventTable(Look(80), wide=True).lines([row_of(shown)], NOW)
    assert head.split("   ")[0] == "NAMESPACE"
    for name, value in (
        ("SUBOBJECT", "spec.containers{web}"),
        ("SOURCE", "kubelet, node-1"),
        ("FIRST SEEN", "60m"),
        ("COUNT", "7"),
        ("NAME", "web-1.17a"),
    ):
        assert line[head.rindex(name) :].startswith(value)


def test_on_a_terminal_of_80_columns_the_message_is_below() -> None:
    long = event(message="word " * 30, reason="AVeryLongReasonIndeedThatGoesOn", namespace="a-namespace-of-length")
    lines = list(EventTable(Look(80)).lines([row_of(long)], NOW))
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("  a-namespace-of-length: word word")
    assert lines[1] == "5s          Warning   AVeryLongReasonIn…   pod/web-1"


@pytest.mark.parametrize("width", [40, 80, 110, 200])
def test_no_line_is_broader_than_the_terminal(width: int) -> None:
    rows = [row_of(event(message="漢" * 200, reason="R" * 100))]
    shown = EventTable(Look(width), namespaces=False).lines(rows, NOW)
    assert all(len(line) <= max(width, 62) for line in shown)


def test_columns_keep_their_place_and_the_header_comes_once() -> None:
    table = EventTable(Look())
    first = list(table.lines([row_of(event())], NOW))
    second = list(table.lines([row_of(event(reason="Pulled"))], NOW))
    assert len(first) == 2
    assert len(second) == 1
    assert first[0].index("OBJECT") == second[0].index("pod/web-1")
    assert len(list(EventTable(Look(), headers=False).lines([row_of(event())], NOW))) == 1


def test_an_event_of_the_newer_api_has_times_and_a_source_too() -> None:
    newer = {
        "metadata": {"name": "a.1", "namespace": "shop", "creationTimestamp": "2026-11-28T11:58:00Z"},
        "eventTime": "2026-11-28T11:58:00.000000Z",
        "series": {"count": 4, "lastObservedTime": "2026-11-28T11:59:50.000000Z"},
        "reportingComponent": "scheduler",
        "involvedObject": {"kind": "Node", "name": "n1"},
    }
    row = row_of(newer)
    assert (NOW - row.last, NOW - row.first, row.count, row.source) == (10, 120, 4, "scheduler")


def test_what_is_no_event_is_shown_as_far_as_it_goes_and_moves_no_cursor() -> None:
    row = row_of({"metadata": 7, "message": "\x1b[2J\nowned", "involvedObject": None})
    (line,) = EventTable(Look(), headers=False).lines([row], NOW)
    assert "<unknown>" in line
    assert "\x1b" not in line
