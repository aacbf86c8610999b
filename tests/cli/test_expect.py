"""What a hook is expected to make of each event."""

from pathlib import Path

import pytest

from kigeon.cli.expect import Expected, problems_of, read_expected
from kigeon.errors import OperatorError
from kigeon.hooks.trial import FAILED, SENT, SKIPPED, Trial


def written(folder: Path, text: str) -> Path:
    (folder / "expected.yaml").write_text(text)
    return folder / "expected.yaml"


def test_a_list_has_an_item_for_each_event_and_anything_else_is_for_all(tmp_path: Path) -> None:
    assert read_expected(written(tmp_path, "[skipped, {tenantID: shop}]"), 2) == [SKIPPED, {"tenantID": "shop"}]
    assert read_expected(written(tmp_path, "failed"), 3) == [FAILED] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sent]", "it has 1 items for 2 events"),
        ("[sent, dropped]", "item 2 must be sent, skipped, failed, or keys"),
        ("[sent, 7]", "item 2 must be"),
        ("", "item 1 must be"),
        ("{", "can't be read"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as caught:
        read_expected(written(tmp_path, text), 2)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"gone\.yaml can't be read"):
        read_expected(tmp_path / "gone.yaml", 1)


CONFIG = {"tenantID": "shop", "streamLabels": {"team": "web", "app": "a"}}


@pytest.mark.parametrize(
    ("expected", "outcome", "problems"),
    [
        (SENT, SENT, []),
        (SKIPPED, SENT, ["skipped, it is sent"]),
        ({"tenantID": "shop"}, SKIPPED, ["sent, it is skipped"]),
        ({"tenantID": "shop", "streamLabels": {"team": "web"}}, SENT, []),
        ({"tenantID": "x"}, SENT, ['tenantID: "x", it is "shop"']),
        ({"streamLabels": {"team": "x"}}, SENT, ['streamLabels.team: "x", it is "web"']),
        ({"url": "http://a"}, SENT, ['url: "http://a", it is null']),
        ({"streamLabels": 7}, SENT, ['streamLabels: 7, it is {"team":"web","app":"a"}']),
    ],
)
def test_each_key_that_differs_is_told(expected: Expected, outcome: str, problems: list[str]) -> None:
    trial = Trial({}, outcome, 0.1, CONFIG if outcome == SENT else None)
    assert problems_of(expected, trial) == problems
