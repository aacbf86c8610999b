import io
import os
import pty

import pytest

from kigeon.cli.table import Table, cut, paragraph, span
from kigeon.cli.terminal import Look, Screen, look_of


def test_columns_are_aligned_as_kubectl_does() -> None:
    table = Table(("SENDER", "SENT"))
    table.add("loki", 7)
    table.add("a-long-name", 1234567)
    assert list(table.lines(Look())) == [
        "SENDER        SENT",
        "loki          7",
        "a-long-name   1234567",
    ]


def test_the_last_column_is_cut_at_the_terminals_width_alone() -> None:
    table = Table(("ID", "WHY"))
    table.add("loki/1", "x" * 100)
    assert len(list(table.lines(Look(40)))[1]) == 40
    assert list(table.lines(Look()))[1].endswith("x" * 100)


def test_letters_that_take_two_columns_are_counted_as_two() -> None:
    assert cut("漢字漢字漢字", 7) == "漢字漢…"
    table = Table(("NAME", "SENT"))
    table.add("漢字", 1)
    table.add("abcd", 2)
    assert list(table.lines(Look()))[1:] == ["漢字   1", "abcd   2"]


def test_what_moves_the_cursor_is_not_shown() -> None:
    table = Table(("EVENT",))
    table.add("a\x1b[2Jb\nc\r\x07d\u202e")
    assert list(table.lines(Look(80)))[1] == "a [2Jb c d"


def test_colours_are_for_a_terminal_and_no_color_is_honoured() -> None:
    assert look_of(io.StringIO(), {}) == Look()
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert look_of(terminal, {}).coloured
        assert not look_of(terminal, {"NO_COLOR": "1"}).coloured
        assert not look_of(terminal, {"TERM": "dumb"}).coloured
        assert look_of(terminal, {"NO_COLOR": "1"}).width > 0
    os.close(ours)
    assert Look(80, True).paint("a", "red", "bold") == "\033[31;1ma\033[0m"
    assert Look(80).paint("a", "red") == "a"


def test_a_paragraph_is_wrapped_on_a_terminal() -> None:
    lines = list(paragraph("why   ", "word " * 30, Look(40), 2))
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith("        word")
    assert len(list(paragraph("why   ", "word " * 30, Look(), 2))) == 1


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-3, "0s"), (0, "0s"), (119, "119s"), (200, "3m20s"), (660, "11m"), (7260, "2h1m"), (90000, "25h"), (9e5, "10d")],
)
def test_a_span_is_shown_as_kubectl_shows_an_age(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_a_screen_is_written_over_on_a_terminal_alone() -> None:
    piped = io.StringIO()
    Screen(piped).show(["a", "b"])
    assert piped.getvalue() == "a\nb\n"
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        Screen(terminal).show(["a", "b"])
        assert os.read(ours, 100) == b"\033[Ha\033[K\r\nb\033[K\r\n\033[J"
    os.close(ours)
