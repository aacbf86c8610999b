"""What is asked for safety's or comfort's sake alone is misanswered for ever: Events keep flowing.

A few of all pairs of a path and an answer; tests/faults/paths has them all.
"""

from pathlib import Path

import pytest

from kigeon.standin.faults import Misbehaviour
from tests.support.paths import PATHS, flow_goes_on, known_labels_count


@pytest.mark.parametrize(("path", "answer"), [("check", 404), ("namespaces", 403), ("pod", "silence")])
def test_events_keep_flowing(tmp_path: Path, path: str, answer: Misbehaviour) -> None:
    flow_goes_on(tmp_path, PATHS[path], answer)


def test_labels_that_were_known_count_while_nothing_is_told_of_namespaces(tmp_path: Path) -> None:
    known_labels_count(tmp_path, 503)
