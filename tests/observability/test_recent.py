import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.observability.logs import JsonFormatter
from kigeon.observability.recent import FOLDER, MOST_BYTES, VARIABLE, RecentLines, recent_lines


@pytest.fixture
def logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    monkeypatch.setenv(VARIABLE, str(tmp_path / FOLDER))
    (tmp_path / "run").mkdir()
    found = logging.getLogger("recent")
    handler = RecentLines()
    handler.setFormatter(JsonFormatter({"actor": "sender/loki"}))
    found.addHandler(handler)
    found.setLevel(logging.DEBUG)
    yield found
    found.removeHandler(handler)


def test_the_last_lines_are_kept_by_actor_and_no_more(logger: logging.Logger, tmp_path: Path) -> None:
    for number in range(5000):
        logger.info("said", extra={"number": number, "more": "x" * 100})
    logger.debug("not kept")
    ((actor, lines),) = recent_lines(tmp_path)
    assert actor == "sender-loki"
    assert b'"number":4999' in lines.splitlines()[-1]
    assert MOST_BYTES < len(lines) <= 2 * MOST_BYTES + 300
    assert b"not kept" not in lines


def test_where_they_cant_be_written_nothing_is_said(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "/proc/no/such/place")
    logger.error("said")
    monkeypatch.delenv(VARIABLE)
    logger.error("said")
    assert capsys.readouterr() == ("", "")
