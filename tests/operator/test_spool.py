"""Data that is too large for memory lies in files without names."""

from pathlib import Path

import pytest

from kigeon.errors import OperatorError
from kigeon.operator import spool
from kigeon.operator.spool import Spool, Texts, integers_in_file


def test_pages_are_read_as_they_were_written_and_any_number_of_times(tmp_path: Path) -> None:
    pages = [[b"a", b"", b"c"], [b"x" * 100_000], [b""]]
    with Spool(tmp_path) as held:
        for page in pages:
            held.add(page)
        assert len(held) == 3
        assert list(held) == pages
        held.add([b"later"])
        assert list(held) == [*pages, [b"later"]]
        assert list(tmp_path.iterdir()) == []


def test_the_queue_keeps_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SHARE", 2**60)
    with Spool(tmp_path) as held, pytest.raises(OperatorError, match=r"not enough room below global\.dataDir"):
        held.add([b"a"])


def test_the_same_text_has_the_same_number_and_each_is_read_again(tmp_path: Path) -> None:
    said = [("parked", "400 no"), ("sent", ""), ("parked", "a\nb")]
    with Texts(tmp_path) as texts:
        numbers = [texts.put(*each) for each in said]
        assert [texts.put(*each) for each in said] == numbers
        assert len(set(numbers)) == 3
        assert [texts.get(number) for number in numbers] == said


def test_beyond_a_bound_outcomes_are_kept_without_their_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MOST_TEXT", 100)
    with Texts(tmp_path) as texts:
        found = [texts.get(texts.put("parked", f"reason {number:040}")) for number in range(10)]
    assert found[0] == ("parked", f"reason {0:040}")
    assert found[-1] == ("parked", "")


@pytest.mark.parametrize("count", [0, 1, 70_000])
def test_integers_are_all_zero_at_first_and_hold_64_bits(tmp_path: Path, count: int) -> None:
    held = integers_in_file(tmp_path, count)
    assert not any(held)
    assert len(held) >= count
    held[0] = 2**64 - 1
    assert held[0] == 2**64 - 1
