"""Answers that go on are few, so that there is room for short ones."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from kigeon.operator.following import MOST_FOLLOWING, following


def test_there_are_so_many_places_and_one_that_is_left_is_free_again(tmp_path: Path) -> None:
    with ExitStack() as others:
        for _ in range(MOST_FOLLOWING):
            others.enter_context(following(tmp_path))
        with pytest.raises(ValueError, match="others follow this kigeon already"), following(tmp_path):
            pass
    with following(tmp_path):
        assert len(list(tmp_path.iterdir())) == MOST_FOLLOWING


def test_a_place_is_free_again_when_its_answer_failed(tmp_path: Path) -> None:
    for _ in range(MOST_FOLLOWING + 1):
        with pytest.raises(RuntimeError, match="the client is gone"), following(tmp_path):
            raise RuntimeError("the client is gone")
