from pathlib import Path

import pytest

from kigeon.errors import StartError
from kigeon.queue.broker.mark import (
    MARK_FILE,
    MARK_KEY,
    Mark,
    MoveState,
    holds_queue,
    mark_in,
    mark_of,
    put_mark,
    read_mark,
    refuse_moved,
    why_unusable,
    write_mark,
)

MARK = Mark(MoveState.MOVED, "5f", "queue.url nats://a:4222, queue.name kigeon", "2027-01-15T07:56:40+00:00", "4e")


def test_a_mark_is_read_as_it_was_written() -> None:
    assert read_mark(write_mark(MARK)) == MARK
    assert mark_in({MARK_KEY: write_mark(MARK)}) == MARK
    assert mark_in({"other": ""}) is mark_in(None) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2, "state": "moved", "id": "", "other": "", "at": "", "follows": ""}']
    + [
        write_mark(MARK).replace(old, new)
        for old, new in (("moved", "gone"), ('"5f"', "5"), ('"follows":"4e"', '"a":1'))
    ],
)
def test_what_can_not_be_read_is_ignored_by_nobody(text: str) -> None:
    mark = read_mark(text)
    assert mark.state is MoveState.UNREADABLE
    for shared in (True, False):
        said, cure = why_unusable(mark, shared)
        assert "can't be read" in said
        assert cure


def test_the_file_of_a_data_directory(tmp_path: Path) -> None:
    assert mark_of(tmp_path) is None
    assert mark_of(tmp_path / "missing") is None
    put_mark(tmp_path, MARK)
    assert mark_of(tmp_path) == MARK
    assert [path.name for path in tmp_path.iterdir()] == [MARK_FILE]
    with pytest.raises(StartError) as refused:
        refuse_moved(tmp_path)
    assert str(refused.value) == (
        f"global.dataDir {tmp_path}: the queue that was here was moved at 2027-01-15T07:56:40+00:00 to queue.url "
        "nats://a:4222, queue.name kigeon: run kigeon with that, or bring it back with `kigeon move`"
    )
    put_mark(tmp_path, None)
    put_mark(tmp_path, None)
    assert mark_of(tmp_path) is None
    refuse_moved(tmp_path)


def test_a_file_that_can_not_be_opened_is_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / MARK_FILE).mkdir()
    mark = mark_of(tmp_path)
    assert mark is not None
    assert mark.state is MoveState.UNREADABLE


@pytest.mark.parametrize(
    ("state", "holds"),
    [
        (None, True),
        (MoveState.LEAVING, True),
        (MoveState.HERE, True),
        (MoveState.MOVED, False),
        (MoveState.ARRIVING, False),
    ],
)
def test_whether_a_data_directory_holds_the_valid_queue(tmp_path: Path, state: MoveState | None, holds: bool) -> None:
    put_mark(tmp_path, Mark(state, "1", "", "") if state is not None else None)
    assert not holds_queue(tmp_path)
    (tmp_path / "jetstream").mkdir()
    assert holds_queue(tmp_path) == holds
