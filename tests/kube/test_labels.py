"""What is known of namespaces, through restarts."""

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kigeon.kube import labels as labels_module
from kigeon.kube.labels import LabelBook


class Clock:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def namespace(name: str, **labels: str) -> dict[str, object]:
    return {"metadata": {"name": name, "labels": labels}}


def reread(book: LabelBook, now: float = 5.0, keep: float = 60.0) -> tuple[LabelBook, Clock]:
    clock = Clock(now)
    again = LabelBook(keep, clock)
    again.read(book.write())
    return again, clock


@given(st.dictionaries(st.text(min_size=1), st.dictionaries(st.text(), st.text())))
def test_a_record_read_back_is_what_was_written(known: dict[str, dict[str, str]]) -> None:
    book = LabelBook(60.0, Clock())
    for name, labels in known.items():
        book.put(namespace(name) | {"metadata": {"name": name, "labels": labels}})
    again, _ = reread(book)
    assert {name: again.last_known(name) for name in known} == known
    assert all(again.labels(name) is None for name in known)


def test_a_deleted_one_is_kept_for_as_long_as_somebody_looked_on() -> None:
    """Not by any clock of the machine: that may have been set meanwhile."""
    clock = Clock()
    book = LabelBook(60.0, clock)
    book.put(namespace("shop", team="web"))
    book.gone("shop")
    clock.now += 50.0
    again, later = reread(book, now=1e9)
    later.now += 9.0
    again.forget()
    assert again.last_known("shop") == {"team": "web"}
    later.now += 2.0
    again.forget()
    assert again.last_known("shop") is None


def test_what_an_earlier_run_knew_and_a_list_does_not_show_was_deleted_meanwhile() -> None:
    book = LabelBook(60.0, Clock())
    book.put(namespace("gone", team="web"))
    book.put(namespace("here", team="old"))
    again, clock = reread(book)
    again.begin_list()
    again.put(namespace("here", team="new"))
    again.end_list()
    assert (again.labels("gone"), again.labels("here")) == ({"team": "web"}, {"team": "new"})
    clock.now += 61.0
    again.forget()
    assert (again.labels("gone"), again.labels("here")) == (None, {"team": "new"})


def test_only_what_changes_is_a_change() -> None:
    book = LabelBook(60.0, Clock())
    book.put(namespace("shop", team="web"))
    assert book.changes == 1
    book.put(namespace("shop", team="web"))
    book.gone("other")
    assert book.changes == 1
    book.put(namespace("shop", team="data"))
    book.gone("shop")
    book.gone("shop")
    assert book.changes == 3


def test_too_many_are_forgotten_beginning_with_what_has_been_gone_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "MOST_NAMESPACES", 2)
    clock = Clock()
    book = LabelBook(60.0, clock)
    for name in ("a", "b", "c", "d"):
        book.put(namespace(name))
    for name in ("c", "b", "a"):
        book.gone(name)
        clock.now += 1.0
    book.forget()
    assert [name for name in "abcd" if book.labels(name) is not None] == ["a", "d"]


def test_a_record_is_never_larger_than_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "MOST_BYTES", 2000)
    book = LabelBook(60.0, Clock())
    for number in range(2000):
        book.put(namespace(f"n{number}", team=f"{number * 7919}"))
    book.gone("n0")
    record = book.write()
    assert 500 < len(record) <= 2000
    assert reread(book)[0].last_known("n0") is None


RECORDS = [
    b"rubbish",
    zstandard.compress(b"rubbish"),
    zstandard.compress(orjson.dumps([])),
    zstandard.compress(orjson.dumps({"format": 2, "namespaces": {}})),
    zstandard.compress(orjson.dumps({"format": 1, "namespaces": {"a": [{}, -1]}})),
    zstandard.compress(orjson.dumps({"format": 1, "namespaces": {"a": {}}})),
    zstandard.compress(orjson.dumps({"format": 1, "namespaces": {"a": [[], None]}})),
]


@pytest.mark.parametrize("record", [None, b"", *RECORDS])
def test_a_record_that_can_not_be_read_counts_as_none(record: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    book = LabelBook(60.0, Clock())
    book.read(record)
    assert book.last_known("a") is None
    assert ("can't be read" in caplog.text) == bool(record)
