"""YAML, read with the place of each value."""

import json
from pathlib import Path

import pytest

from kigeon.config.load import load_settings
from kigeon.errors import ConfigurationError
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import config_types
from tests.config.files import load, problems_of, told


def test_json_is_yaml(tmp_path: Path) -> None:
    config = {"url": "http://l", "streamLabels": {"a": "\N{GRINNING FACE}"}}
    text = json.dumps({"eventsenders": [{"name": "a", "type": "loki", "config": config}]})
    assert "\\ud83d\\ude00" in text
    (sender,) = load(tmp_path, text).senders
    assert sender.settings == LokiSettings("http://l", stream_labels={"a": "\N{GRINNING FACE}"})


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    text = """\
eventsenders:
- name: one
  type: loki
  config: &base
    url: http://loki:3100
    tenantID: one
- name: two
  type: loki
  config: {<<: *base, tenantID: two}
- {name: three, type: loki, config: *base}
"""
    found = [sender.settings for sender in load(tmp_path, text).senders]
    assert [(loki.url, loki.tenant_id) for loki in found if loki] == [
        ("http://loki:3100", "one"),
        ("http://loki:3100", "two"),
        ("http://loki:3100", "one"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("global: &x\n  logLevel: *x\n", "global.logLevel", "1:9"),
        ("eventsenders: &x [*x]\n", "eventsenders[0]", "1:15"),
        ("eventsenders:\n- &x\n  name: a\n  config: {hook: *x}\n", "eventsenders[0].config.hook", "2:3"),
    ],
)
def test_an_anchor_that_refers_to_itself(tmp_path: Path, text: str, path: str, place: str) -> None:
    found = [told(problem) for problem in problems_of(tmp_path, text)]
    assert (path, place, "refers to itself", "") in found


def test_a_mapping_merged_into_itself_comes_to_an_end(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "global: &x\n  <<: *x\n")


def test_anchors_that_multiply_come_to_an_end(tmp_path: Path) -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = problems_of(tmp_path, "\n".join(lines))
    assert (problem.message, problem.line) == ("no YAML: more than 100000 values", 1)


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), (b"a: \xff", "it is no UTF-8")])
def test_a_file_that_cant_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "kigeon.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, config_types())
    (problem,) = caught.value.problems
    assert told(problem) == ("", "0:0", f"the file can't be read: {reason}", "give another with --config")
