"""A file is loaded whole, or every problem of it is told."""

from pathlib import Path

import pytest

from kigeon.errors import ConfigurationError
from tests.config.files import SENDER, load, problems_of, told

MANY = """\
global:
  logLevel: loud
  dataDri: /data
queue: {eventsMaxAge: 1, eventsMaxBytes: 500Mb}
pusher:
  pushTimeout: 5
  pushTimeout: 6s
eventsenders:
- name: Loki
  type: loki
  filter: {namespaceSelector: {matchLabels: {a b: c}}}
  config:
    basicAuth: {usernameEnvVar: NOT_SET_A, passwordEnvVar: NOT_SET_B}
    hook:
      script: gone.star
      skipOnPodNotFound: true
- name: two
  type: lokki
- name: two
  type: stdout
  config: {a: b}
- 7
more: 1
"""


def test_everything_wrong_is_told_in_one_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert [told(problem)[:2] for problem in problems_of(tmp_path, MANY)] == [
        ("global.logLevel", "2:3"),
        ("global.dataDri", "3:3"),
        ("queue.eventsMaxAge", "4:9"),
        ("queue.eventsMaxBytes", "4:26"),
        ("pusher.pushTimeout", "7:3"),
        ("eventsenders[0].name", "9:3"),
        ("eventsenders[0].filter.namespaceSelector.matchLabels.a b", "11:46"),
        ("eventsenders[0].config.url", "12:3"),
        ("eventsenders[0].config.basicAuth.usernameEnvVar", "13:17"),
        ("eventsenders[0].config.basicAuth.passwordEnvVar", "13:44"),
        ("eventsenders[0].config.hook.script", "15:7"),
        ("eventsenders[0].config.hook.skipOnPodNotFound", "16:7"),
        ("eventsenders[1].type", "18:3"),
        ("eventsenders[2].name", "19:3"),
        ("eventsenders[2].config.a", "21:12"),
        ("eventsenders[3]", "22:3"),
        ("more", "23:1"),
    ]


@pytest.mark.parametrize("script", ["gone.star", "folder", "x" * 300, "../gone.star"])
def test_a_script_that_is_not_there(tmp_path: Path, script: str) -> None:
    (tmp_path / "folder").mkdir()
    (problem,) = problems_of(tmp_path, f"{SENDER}    hook:\n      script: {script}\n")
    assert told(problem) == (
        "eventsenders[0].config.hook.script",
        "7:7",
        f"there is no file {tmp_path / script}",
        "it is relative to this file",
    )


SECRET = "hunter2"

WRITTEN = [
    f"password: {SECRET}\n      pasword: {SECRET}",
    f"password: [{SECRET}]",
    f"password: {{{SECRET}: {SECRET}}}",
    f"password: {{[{SECRET}]: a}}",
    f"password: !{SECRET}",
    f"password: !{SECRET}!a b",
    f"password: *{SECRET}",
    f"password: &{SECRET}",
    f"password: !!int {SECRET}",
    f"password: '{SECRET}",
    f'password: "{SECRET}\\q"',
    f'password: "{SECRET}\\ud800"',
    f"password: |{SECRET}",
    f"password: @{SECRET}",
    f"password: {SECRET}: {SECRET}",
    f"secret: {SECRET}",
    f"token: {SECRET}\n    url: http://{SECRET}:{SECRET}@loki",
    f"password: {SECRET}\n    url: http://loki/{SECRET}",
    f"password: {SECRET}\n    basicAuth: {SECRET}",
    f"password: {SECRET}\n    tlsConfig: {SECRET}",
    f"password: {SECRET}\n      passwordEnvVar: [{SECRET}]",
]


@pytest.mark.parametrize("written", WRITTEN)
def test_no_message_repeats_a_secret(tmp_path: Path, written: str) -> None:
    text = f"{SENDER}    basicAuth:\n      username: kigeon\n      {written}\n"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert caught.value.problems
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.problems!r}"
