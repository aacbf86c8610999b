"""``kigeon hook test`` tries a hook with events of a file, with events of the queue, or with a sample."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from kigeon.cli.asking import ask
from kigeon.cli.expect import problems_of, read_expected
from kigeon.cli.table import clean, paragraph
from kigeon.cli.terminal import Look, look_of
from kigeon.config.load import load_settings
from kigeon.config.settings import HookSettings, SenderSettings, Settings
from kigeon.errors import HookLoadError, OperatorError
from kigeon.events.fields import fields_of
from kigeon.events.sample import sample_event, sample_pod
from kigeon.hooks.trial import FAILED, SENT, SKIPPED, Trial, try_hook
from kigeon.redaction import hide, secrets_in
from kigeon.senders.registry import TYPES, config_types, example_sender


def run_hook_test(arguments: argparse.Namespace) -> int:
    """Try the hook, print what it does; return 1 where it fails with an event, or does not do what is expected.

    Raises :class:`OperatorError` for what can't be read, :class:`HookLoadError` for a script that can't be loaded.
    """
    settings = load_settings(arguments.config, config_types()) if arguments.config else None
    sender = _sender(settings, arguments.sender)
    hook = replace(sender.hook or HookSettings(arguments.script), script=arguments.script)
    if not arguments.script.is_file():
        raise HookLoadError(f"{arguments.script}: there is no such file")
    events = _events(arguments, settings, hook)
    expected = read_expected(arguments.expect, len(events)) if arguments.expect else None
    trials = list(try_hook(hook, sender.config, TYPES[sender.type].config, events))
    problems = [problems_of(expected[index], trial) if expected else [] for index, trial in enumerate(trials)]
    secrets = _secrets(sender, trials)
    if arguments.json:
        sys.stdout.write(hide(_as_json(trials, problems), secrets))
    else:
        look = look_of(sys.stdout)
        for line in _lines(trials, problems, hook, look):
            sys.stdout.write(hide(line, secrets) + "\n")
    return 1 if any(problems) or (expected is None and any(trial.error for trial in trials)) else 0


def _sender(settings: Settings | None, name: str | None) -> SenderSettings:
    if settings is None:
        return example_sender()
    names = [sender.name for sender in settings.senders]
    if name is None and len(names) > 1:
        raise OperatorError(f"name one of the senders with --sender: {', '.join(names)}")
    for sender in settings.senders:
        if name in (None, sender.name):
            return sender
    raise OperatorError(f"there is no sender {name!r}; there are {', '.join(names)}")


def _events(arguments: argparse.Namespace, settings: Settings | None, hook: HookSettings) -> list[Mapping[str, Any]]:
    if arguments.from_queue:
        if settings is None:
            raise OperatorError("--from-queue asks a running kigeon: name its configuration with --config")
        request = {"command": "tail", "last": arguments.from_queue, "follow": False}
        parts = ask(settings.global_.data_dir, request, lambda text: None)
        found: list[Mapping[str, Any]] = [event for part in parts for event in part.value]
        if not found:
            raise OperatorError("the queue holds no events now")
        return found
    if arguments.event:
        return read_events(arguments.event)
    return [{**sample_event(), "pod": sample_pod()} if hook.enrich_pod else sample_event()]


def read_events(path: Path) -> list[Mapping[str, Any]]:
    """Return the events of a JSON or YAML file: one, one a line, or a list as ``kubectl get events -o json`` prints."""
    try:
        documents = list(_documents(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperatorError(f"{path} can't be read: {' '.join(str(error).split())}") from error
    events = [event for document in documents for event in _of_list(document)]
    if not events or not all(isinstance(event, dict) for event in events):
        raise OperatorError(f"{path}: it holds no Event; `kubectl get events -o json` prints some")
    return events


def _documents(text: str) -> Iterator[Any]:
    try:
        yield orjson.loads(text)
        return
    except orjson.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
    if all(line.startswith("{") for line in lines):
        yield from map(yaml.safe_load, lines)
    else:
        yield from yaml.safe_load_all(text)


def _of_list(document: Any) -> Sequence[Any]:
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        return list(document["items"])
    return document if isinstance(document, list) else [document]


def _secrets(sender: SenderSettings, trials: Sequence[Trial]) -> list[str]:
    found = {*secrets_in(sender.config), *(secret for trial in trials for secret in secrets_in(trial.config))}
    return sorted(found, key=len, reverse=True)


def _as_json(trials: Sequence[Trial], problems: Sequence[Sequence[str]]) -> str:
    told = [
        {
            "event": f"{fields.namespace}/{fields.name}",
            "outcome": trial.outcome,
            "changes": {change.key: [_value(change.before), _value(change.after)] for change in trial.changes},
            "prints": trial.prints,
            "seconds": round(trial.seconds, 6),
            "error": trial.error,
            "unexpected": wrong,
        }
        for trial, wrong in zip(trials, problems, strict=True)
        for fields in [fields_of(trial.event)]
    ]
    return orjson.dumps({"events": told}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _value(encoded: str) -> Any:
    return orjson.loads(encoded) if encoded else None


def _lines(trials: Sequence[Trial], problems: Sequence[Sequence[str]], hook: HookSettings, look: Look) -> Iterator[str]:
    for trial, wrong in zip(trials, problems, strict=True):
        yield from _trial(trial, hook, look)
        for problem in wrong:
            yield from (look.paint(line, "red") for line in paragraph("expected  ", problem, look, 2))
        yield ""
    counts = Counter(trial.outcome for trial in trials)
    average = sum(trial.seconds for trial in trials) / len(trials)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (SENT, SKIPPED, FAILED))
    yield f"{len(trials)} event{'s' if len(trials) > 1 else ''}: {told}; {average * 1000:.2f} ms each"


def _trial(trial: Trial, hook: HookSettings, look: Look) -> Iterator[str]:
    fields = fields_of(trial.event)
    yield look.paint(clean(f"{fields.namespace}/{fields.name} {fields.reason} ({fields.type})"), "bold")
    style = {SENT: "green", SKIPPED: "yellow", FAILED: "red"}[trial.outcome]
    yield f"  result    {look.paint(trial.outcome, style)} in {trial.seconds * 1000:.2f} ms"
    if trial.error:
        yield from paragraph("error     ", trial.error, look, 2)
        yield f"  onError   {hook.on_error}"
    for index, change in enumerate(trial.changes):
        before, after = change.before or "(not there)", change.after or "(taken away)"
        yield from paragraph("          " if index else "changes   ", f"{change.key}: {before} → {after}", look, 2)
    for text in trial.prints:
        yield from paragraph("prints    ", text, look, 2)
