"""A sender type is a folder and a line in the registry: with that, it has every promise that Loki's has."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event
from tests.support.kigeon import Kigeon
from tests.support.processes import wait_until

TYPE = Path(__file__).with_name("another_type")
ROUTE = """\
def transform(config, event):
    if event["involvedObject"]["namespace"] == "skipped":
        return None
    if event["involvedObject"]["namespace"] == "away":
        config["path"] = config["path"].replace("here", "away/there")
    return config
"""


@pytest.fixture
def environ() -> dict[str, str]:
    return {"PYTHONPATH": str(TYPE)}


def told_by(kigeon: Kigeon) -> dict[str, int]:
    accounts: dict[str, int] = kigeon.ask("status")["senders"]["files"]
    return accounts


def names_in(file: Path) -> Counter[str]:
    return Counter(json.loads(line)["name"] for line in file.read_text().splitlines()) if file.exists() else Counter()


def test_it_has_position_hook_retry_dead_letters_accounts_and_audit(
    tmp_path: Path, api: ApiServer, environ: dict[str, str]
) -> None:
    (tmp_path / "hook.star").write_text(ROUTE)
    here, away = tmp_path / "here.jsonl", tmp_path / "away" / "there.jsonl"
    sender = {"name": "files", "type": "lines", "config": {"path": str(here), "hook": {"script": "hook.star"}}}
    events = [make_event(number, "shop") for number in range(40)]
    others = [make_event(number, "away") for number in range(40, 80)]
    kigeon = Kigeon(tmp_path, api, [sender])
    kigeon.environ = environ
    with kigeon:
        api.put_events([*events, *others, make_event(80, "skipped"), make_event(81, "shop", message="poison")])
        wait_until(lambda: len(names_in(here)) == 40, what="each event that can be written")
        wait_until(lambda: told_by(kigeon)["parked"] == 1)
        letters = kigeon.ask("dead-letter", "list")["deadLetters"]
        assert [letter["reason"] for letter in letters] == ["poison"]
        assert kigeon.stop() == 0
        kigeon.start()
        away.parent.mkdir()
        wait_until(lambda: len(names_in(away)) == 40, what="each event that waited")
        wait_until(lambda: told_by(kigeon)["sent"] == 80)
        told = told_by(kigeon)
        assert {key: told[key] for key in ("stored", "skipped", "waiting", "unaccounted")} == {
            "stored": 82,
            "skipped": 1,
            "waiting": 0,
            "unaccounted": 0,
        }
        assert kigeon.ask("audit")["loki"] == {}
        audit = kigeon.ask("audit", "--loki")
        assert (audit["unaccounted"], audit["loki"]) == (0, {"files": {"once": 80}})
        whole = here.read_text()
        lost, twice, *rest = whole.splitlines(keepends=True)
        here.write_text("".join([twice, twice, *rest]))
        audit = kigeon.ask("audit", "--loki", status=1)
        assert (audit["unaccounted"], audit["loki"]) == (2, {"files": {"once": 78, "missing": 1, "doubled": 1}})
        wrong = {event["name"]: event["senders"]["files"] for event in audit["events"] if not event["accounted"]}
        assert {name: told["loki"] for name, told in wrong.items()} == {
            json.loads(lost)["name"]: "missing",
            json.loads(twice)["name"]: "doubled",
        }
        here.write_text(whole)
        assert kigeon.stop() == 0
    assert {*names_in(here).values(), *names_in(away).values()} == {1}


def test_what_is_wrong_with_its_config_is_told_with_its_place(tmp_path: Path, environ: dict[str, str]) -> None:
    file = tmp_path / "kigeon.yaml"
    file.write_text(
        "eventsenders:\n- name: files\n  type: lines\n  config:\n    path: relative\n    uper: true\n"
        "- name: other\n  type: line\n"
    )
    command = [sys.executable, "-P", "-m", "kigeon", "check", "--config", str(file)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    places = [
        "5:5: eventsenders[0].config.path: must be an absolute path",
        "6:5: eventsenders[0].config.uper: unknown key",
    ]
    for place in places:
        assert f"{file}:{place}" in done.stderr
    assert "did you mean `upper`?" in done.stderr
    assert "did you mean `lines`?" in done.stderr


def test_check_says_what_would_run(tmp_path: Path, environ: dict[str, str]) -> None:
    file = tmp_path / "kigeon.yaml"
    file.write_text("eventsenders:\n- name: files\n  type: lines\n  config: {path: /tmp/events.jsonl}\n")
    command = [sys.executable, "-P", "-m", "kigeon", "check", "--config", str(file)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "files (lines)\n  to        /tmp/events.jsonl" in done.stdout
