"""A little of ``tox -e fuzz``: enough to see that it still fits what it is about."""

import logging

import pytest

from tests.fuzz.__main__ import Stage, stages

LITTLE = {"hooks": 30, "files": 10, "watches and lists": 4000}
STAGES = [stage for stage in stages(500) if stage[0] != "a whole kigeon"]


@pytest.mark.parametrize("stage", STAGES, ids=[stage[0] for stage in STAGES])
def test_nothing_is_fatal_and_nothing_is_silent(stage: Stage) -> None:
    name, run, _ = stage
    logging.disable(logging.CRITICAL)
    try:
        account = run(1, LITTLE.get(name, 50))
    finally:
        logging.disable(logging.NOTSET)
    assert account.wrong == []
    assert sum(account.figures.values()) > 0
