"""``kigeon status``, ``dead-letter``, ``audit``, ``resend`` ask a running kigeon and print its answer as it comes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from kigeon.cli.asking import Part, ProgressLine, as_json, ask
from kigeon.cli.show_audit import audit_lines
from kigeon.cli.show_letters import grouped_lines, letter_lines, whole
from kigeon.cli.show_status import status_lines
from kigeon.cli.terminal import Look, Screen, look_of
from kigeon.config.settings import Settings
from kigeon.errors import OperatorError

WATCH_EVERY = 2.0
"""Seconds between two looks of ``status --watch``."""


def operate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Ask, print the answer, return the exit status, which is 1 where the answer tells of something wrong.

    Raises :class:`OperatorError` when there is no answer.
    """
    if getattr(arguments, "action", "") in ("replay", "drop") and not (arguments.ids or arguments.all):
        raise OperatorError(f"dead-letter {arguments.action}: give the ids that list shows, or --all")
    if getattr(arguments, "watch", False):
        watch(settings, arguments)
    progress, verdict = ProgressLine(), Verdict()
    parts = verdict.on(ask(settings.global_.data_dir, _request(arguments), progress))
    look = look_of(sys.stdout)
    try:
        for text in as_json(parts) if arguments.json else (f"{line}\n" for line in _lines(arguments, parts, look)):
            progress.clear()
            sys.stdout.write(text)
    finally:
        progress.clear()
    return 1 if verdict.is_wrong else 0


def watch(settings: Settings, arguments: argparse.Namespace) -> None:
    """Show the status again and again, until a signal ends it. A kigeon that does not run now is waited for."""
    look, screen = look_of(sys.stdout), Screen()
    request = {**_request(arguments), "every": WATCH_EVERY}
    while True:
        try:
            for part in ask(settings.global_.data_dir, request, lambda text: None):
                for answer in part.value:
                    parts = (Part(name, value, whole=True) for name, value in answer.items())
                    shown = "".join(as_json(parts)) if arguments.json else "\n".join(status_lines(answer, look))
                    screen.show(shown.rstrip("\n").split("\n"))
        except OperatorError as error:
            screen.show([look.paint(str(error), "red")])
        time.sleep(WATCH_EVERY)


class Verdict:
    """Whether an answer tells of something wrong, found out as the answer's parts pass by."""

    def __init__(self) -> None:
        self.is_wrong = False

    def on(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield *parts*, and look at each."""
        for part in parts:
            self.is_wrong |= part.name in ("problems", "unaccounted", "notSent") and bool(part.value)
            if part.name == "senders":
                self.is_wrong |= any(accounts.get("unaccounted") for accounts in part.value.values())
            yield part


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = ("command", "action", "ids", "all", "sender", "loki", "since", "until", "namespace", "late")
    request = {key: value for key in wanted if (value := getattr(arguments, key, None)) is not None}
    if arguments.command == "audit":
        request["wrong"] = not (arguments.all or arguments.json)
    return request


def _lines(arguments: argparse.Namespace, parts: Iterator[Part], look: Look) -> Iterator[str]:
    if arguments.command == "status":
        return status_lines({part.name: part.value for part in parts}, look)
    if arguments.command == "audit":
        return audit_lines(parts, look)
    if arguments.command == "resend":
        return _resent({part.name: part.value for part in parts})
    return _or_nothing(_dead_letters(arguments, parts, look))


def _resent(answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"{answer['sender']}: {answer['resent']} events were sent again"
    if answer["notSent"]:
        yield f"{answer['sender']}: {answer['notSent']} were not, the log says why (late lines are sent with --late)"


def _dead_letters(arguments: argparse.Namespace, parts: Iterator[Part], look: Look) -> Iterator[str]:
    if arguments.action in ("replay", "drop"):
        return _done("sent again" if arguments.action == "replay" else "dropped", parts)
    letters = (letter for part in parts for letter in part.value)
    if arguments.action == "show":
        return map(whole, letters)
    return letter_lines(letters) if arguments.all else grouped_lines(letters, look)


def _done(done: str, parts: Iterator[Part]) -> Iterator[str]:
    for part in parts:
        if part.name == "done":
            yield from (f"{name}: {done}" for name in part.value)
        else:
            yield from (f"{name}: not {done}: {problem}" for name, problem in part.value.items())


def _or_nothing(lines: Iterator[str]) -> Iterator[str]:
    first = next(lines, "nothing is parked")
    yield first
    yield from lines
