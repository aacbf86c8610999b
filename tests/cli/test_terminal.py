"""What a terminal is like, and a screen that is redrawn in place."""

from __future__ import annotations

import io

import pytest

from kigeon.cli.terminal import Look, Screen, look_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_is_as_wide_as_it_has_to_be_and_has_no_colours() -> None:
    assert look_of(io.StringIO(), {}) == Look(0, False)


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_has_a_width_and_colours_unless_they_are_unwanted(
    environ: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "123")
    assert look_of(Terminal(), environ) == Look(123, coloured)


def test_text_is_painted_only_where_that_is_allowed() -> None:
    assert Look(80, True).paint("a", "red", "bold") == "\033[31;1ma\033[0m"
    assert Look(80, True).paint("a", "") == "a"
    assert Look(80, True).paint("", "red") == ""
    assert Look(80, False).paint("a", "red") == "a"


def test_a_terminal_is_overwritten_and_not_scrolled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "4")
    out = Terminal()
    Screen(out).show(["1", "2", "3", "4", "5"])
    assert out.getvalue() == "\033[H1\033[K\n2\033[K\n3\033[K\n\033[J"


def test_in_a_pipe_all_lines_follow() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.show(str(number) for number in range(100))
    screen.show(["last"])
    assert out.getvalue().split("\n") == [*map(str, range(100)), "last", ""]
