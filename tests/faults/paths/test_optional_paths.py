"""Each path of the API but the Events' own is misanswered for ever, in each way: Events keep flowing."""

from pathlib import Path

import pytest

from kigeon.standin.faults import Misbehaviour
from tests.support.paths import ANSWERS, PATHS, ApiPath, flow_goes_on, known_labels_count

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_events_keep_flowing(tmp_path: Path, path: ApiPath, answer: Misbehaviour) -> None:
    flow_goes_on(tmp_path, path, answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_labels_that_were_known_count_while_nothing_is_told_of_namespaces(tmp_path: Path, answer: Misbehaviour) -> None:
    known_labels_count(tmp_path, answer)
