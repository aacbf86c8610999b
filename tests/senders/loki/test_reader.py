"""What Loki holds, read back: whole, whatever its answers are cut to."""

import time

import pytest

from kigeon.errors import SenderError
from kigeon.senders.loki import reader
from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.loki.reader import read_lines, selector_of
from tests.support.loki import Line, Loki

SECOND = 10**9


def hold(loki: Loki, times: list[int], **labels: str) -> list[tuple[int, str]]:
    """Have *loki* hold a line at each of *times*; return them as they are told."""
    lines = [
        Line("a", tuple(labels.items()), at, f'{{"uid":"0000{number:04x}"}}', ()) for number, at in enumerate(times)
    ]
    loki.held.update(dict.fromkeys(lines))
    return [(line.timestamp, line.line) for line in lines]


def read(loki: Loki, selector: str, start: int, end: int) -> list[tuple[int, str]]:
    return [(line.timestamp, line.line) for line in read_lines(LokiDestination(loki.url, "a"), selector, start, end)]


@pytest.mark.parametrize("limit", [2, 3, 7, 100])
def test_everything_in_a_range_is_read_however_answers_are_cut(
    loki: Loki, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LINES_PER_ANSWER", limit)
    now = time.time_ns()
    times = [now + number // 5 * SECOND for number in range(23)]
    lines = hold(loki, times, app="kigeon")
    assert sorted(read(loki, selector_of({"app": "kigeon"}), now, now + 9 * SECOND)) == sorted(lines)
    assert sorted(read(loki, selector_of({}), now + SECOND, now + 2 * SECOND)) == sorted(lines[5:15])
    assert read(loki, selector_of({"app": "other"}), now, now + 9 * SECOND) == []


def test_ranges_of_many_days_are_read_in_pieces(loki: Loki) -> None:
    now = time.time_ns()
    lines = hold(loki, [now - days * 86_400 * SECOND for days in range(9)], app='a "b"\\')
    found = read(loki, selector_of({"app": 'a "b"\\'}), now - 8 * 86_400 * SECOND, now)
    assert found == lines[::-1]


def test_more_lines_at_once_than_can_be_told_apart_are_an_error(loki: Loki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LINES_PER_ANSWER", 2)
    now = time.time_ns()
    loki.held.update(dict.fromkeys(Line("a", (("n", str(n)),), now, '{"uid":"0"}', ()) for n in range(3)))
    with pytest.raises(SenderError, match="too many to read"):
        read(loki, selector_of({}), now, now)


def test_what_does_not_answer_as_loki_does_is_an_error(loki: Loki) -> None:
    with pytest.raises(SenderError, match="404"):
        read_all(LokiDestination(loki.url + "/elsewhere"))
    with pytest.raises(SenderError, match="does not answer"):
        read_all(LokiDestination("http://127.0.0.1:1"))


def read_all(destination: LokiDestination) -> list[object]:
    return list(read_lines(destination, selector_of({}), 0, 1))


def test_streams_whose_service_loki_had_to_guess_are_read_too() -> None:
    """Before kigeon named it, Loki wrote ``unknown_service``: an audit after an upgrade looks for both."""
    assert selector_of({"service_name": "kigeon", "type": "a"}) == '{service_name=~"kigeon|unknown_service",type="a"}'
    assert selector_of({"service_name": "mine"}) == '{service_name="mine"}'
