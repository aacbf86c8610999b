"""``kigeon hook test``: a hook is tried before it is deployed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.standin.apiserver import ApiServer
from tests.support.commands import run_command
from tests.support.events import make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki

ROUTES = """\
def transform(config, event):
    if event['type'] == 'Normal':
        return None
    print('about', event['involvedObject']['name'])
    config['tenantID'] = event['metadata']['namespace']
    config['streamLabels'] = {'team': 'web'}
    return config
"""


class Try:
    """Runs ``kigeon hook test`` with a script in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def __call__(self, script: str, *more: str) -> subprocess.CompletedProcess[str]:
        return run_command("hook", "test", self.write("hook.star", script), *more)


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    return Try(tmp_path)


def test_it_shows_what_the_hook_changes_and_prints(attempt: Try) -> None:
    events = {"items": [make_event(1), make_event(2, type="Normal")]}
    done = attempt(ROUTES, "--event", attempt.write("events.json", events))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "shop/web-1.17a BackOff (Warning)"
    assert lines[1].startswith("  result    sent in ")
    assert lines[2:6] == [
        '  changes   streamLabels.team: (not there) → "web"',
        '            tenantID: (not there) → "shop"',
        "  prints    about web-1",
        "",
    ]
    assert lines[7].startswith("  result    skipped in ")
    assert lines[-1].startswith("2 events: 1 sent, 1 skipped, 0 failed; ")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def transform(config, event):\n    return event['nothing']\n", "HookRaised: line 2, column 12: "),
        ("def transform(config, event):\n    return {'url': 7}\n", "HookResultInvalid: what transform returned"),
        ("def transform(config, event):\n    return 7\n", "HookResultInvalid: "),
        (
            "def transform(config, event):\n    for i in range(1000000000):\n        pass\n    return config\n",
            "HookTimeout: ",
        ),
    ],
)
def test_an_error_is_told_with_its_line_and_ends_with_1(attempt: Try, script: str, said: str) -> None:
    done = attempt(script)
    assert done.returncode == 1
    assert f"  error     {said}" in done.stdout
    assert "  onError   use-default" in done.stdout


def test_a_script_that_cant_be_loaded_ends_with_2(attempt: Try) -> None:
    done = attempt("def transform(config, event):\n    return (config\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "hook.star: line 2, column 19" in done.stderr


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "kigeon", "hook", "test", str(tmp_path / "gone.star")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, f"{tmp_path / 'gone.star'}: there is no such file\n")


def test_it_runs_with_a_senders_configuration_and_shows_no_secret(attempt: Try) -> None:
    hook = {"script": "hook.star", "timeout": "1s", "onError": "skip", "enrichPod": True}
    config = {"url": "http://loki:3100", "basicAuth": {"username": "me", "password": "hunter2hunter2"}, "hook": hook}
    document = {"eventsenders": [{"name": "a", "type": "stdout"}, {"name": "b", "type": "loki", "config": config}]}
    script = (
        "def transform(config, event):\n    print(config['basicAuth']['password'])\n"
        "    config['tenantID'] = config['basicAuth']['password']\n"
        "    config['streamLabels'] = {'app': event['pod']['metadata']['labels']['app']}\n    return config\n"
    )
    path = attempt.write("kigeon.yaml", yaml.safe_dump(document))
    attempt.write("hook.star", script)
    done = attempt(script, "--config", path)
    assert (done.returncode, done.stderr) == (1, "kigeon: name one of the senders with --sender: a, b\n")
    done = attempt(script, "--config", path, "--sender", "c")
    assert done.stderr == "kigeon: there is no sender 'c'; there are a, b\n"
    done = attempt(script, "--config", path, "--sender", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'streamLabels.app: (not there) → "sample"' in done.stdout
    assert "hunter2" not in done.stdout
    assert "hunter2" not in attempt(script, "--config", path, "--sender", "b", "--json").stdout


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        (["skipped", "skipped"], "skipped, it is sent"),
        ([{"tenantID": "shop"}, {"tenantID": "shop"}], "sent, it is skipped"),
        ([{"streamLabels": {"team": "db"}}, "skipped"], 'streamLabels.team: "db", it is "web"'),
        ([{"tenantID": "shop", "streamLabels": {"team": "web"}}, "skipped"], ""),
    ],
)
def test_what_is_expected_is_compared(attempt: Try, expected: list[object], said: str) -> None:
    lines = "\n".join(json.dumps(event) for event in (make_event(1), make_event(2, type="Normal")))
    events = attempt.write("events.jsonl", lines)
    done = attempt(ROUTES, "--event", events, "--expect", attempt.write("expected.yaml", expected))
    assert done.returncode == (1 if said else 0), done
    assert ("  expected  " in done.stdout) == bool(said)
    assert said in done.stdout


def test_an_expected_failure_is_no_failure(attempt: Try) -> None:
    script = "def transform(config, event):\n    fail('no')\n"
    assert attempt(script, "--expect", attempt.write("expected.yaml", "failed")).returncode == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("--event", "{", "can't be read"),
        ("--event", "[]", "it holds no Event"),
        ("--expect", "[sent, sent]", "it has 2 items for 1 events"),
        ("--expect", "sometimes", "item 1 must be sent, skipped, failed, or keys of the configuration"),
    ],
)
def test_files_that_are_none(attempt: Try, name: str, content: str, said: str) -> None:
    done = attempt(ROUTES, name, attempt.write("file", content))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_as_json(attempt: Try) -> None:
    done = attempt(ROUTES, "--event", attempt.write("event.json", make_event(1)), "--json")
    (told,) = json.loads(done.stdout)["events"]
    assert told.pop("seconds") > 0
    assert told == {
        "event": "shop/web-1.17a",
        "outcome": "sent",
        "changes": {"streamLabels.team": [None, "web"], "tenantID": [None, "shop"]},
        "prints": ["about web-1"],
        "error": "",
        "unexpected": [],
    }


def test_with_the_last_events_of_a_running_kigeon(attempt: Try, tmp_path: Path) -> None:
    with ApiServer() as api, Loki() as loki, Kigeon(tmp_path / "run", api, [loki_sender(loki)]) as kigeon:
        api.put_events([make_event(number) for number in range(9)])
        loki.wait_for(9)
        done = attempt(ROUTES, "--from-queue", "4", "--config", str(kigeon.config), "--json")
        assert [told["outcome"] for told in json.loads(done.stdout)["events"]] == ["sent"] * 4
        assert kigeon.stop() == 0
    done = attempt(ROUTES, "--from-queue", "4")
    assert "name its configuration with --config" in done.stderr
