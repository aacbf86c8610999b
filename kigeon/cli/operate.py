"""``kigeon status``, ``dead-letter``, ``audit``, ``resend``: asked of a running kigeon, printed as the answer comes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from kigeon.cli.asking import Part, ProgressLine, as_json, ask
from kigeon.config.settings import Settings
from kigeon.errors import OperatorError


def operate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Ask, print the answer, return the exit status: 1 where something is wrong that was asked for.

    Raises :class:`OperatorError` when there is no answer.
    """
    if not (getattr(arguments, "ids", True) or getattr(arguments, "all", False) or arguments.command == "audit"):
        raise OperatorError(f"dead-letter {arguments.action}: give the ids that list shows, or --all")
    progress, verdict = ProgressLine(), Verdict()
    parts = verdict.on(ask(settings.global_.data_dir, _request(arguments), progress))
    try:
        for text in as_json(parts) if arguments.json else (f"{line}\n" for line in _lines(arguments, parts)):
            progress.clear()
            sys.stdout.write(text)
    finally:
        progress.clear()
    return 1 if verdict.is_wrong else 0


class Verdict:
    """Whether what was asked for has something wrong in it, found out as its parts pass by."""

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


def _lines(arguments: argparse.Namespace, parts: Iterator[Part]) -> Iterator[str]:
    if arguments.command == "status":
        return _status({part.name: part.value for part in parts})
    if arguments.command == "audit":
        return _audit(parts)
    if arguments.command == "resend":
        return _resent({part.name: part.value for part in parts})
    return _dead_letters(arguments.action, parts)


def _status(answer: Mapping[str, Any]) -> Iterator[str]:
    watcher = answer["watcher"]
    told = " + ".join(f"{key} {watcher[key]}" for key in ("stored", "repeated", "unreadable"))
    until = watcher["watchedUntil"]
    yield f"received {watcher['received']} = {told}; " + (f"watched until {until}" if until else "not watched yet")
    for name, accounts in answer["senders"].items():
        keys = [key for key in accounts if key not in ("stored", "resent", "unaccounted", "problem")]
        yield f"{name}: stored {accounts['stored']} = " + " + ".join(f"{key} {accounts[key]}" for key in keys)
        if accounts["resent"]:
            yield f"{name}: {accounts['resent']} were sent again on an operator's request"
        if accounts["unaccounted"]:
            yield f"{name}: {accounts['unaccounted']} are NOT ACCOUNTED FOR"
        if "problem" in accounts:
            yield f"{name}: {accounts['problem']}"


def _resent(answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"{answer['sender']}: {answer['resent']} events were sent again"
    if answer["notSent"]:
        yield f"{answer['sender']}: {answer['notSent']} were not: the log says why (late lines are sent with --late)"


def _dead_letters(action: str, parts: Iterator[Part]) -> Iterator[str]:
    show = {"list": _listed, "show": _shown}.get(action)
    done = "sent again" if action == "replay" else "dropped"
    printed = False
    for part in parts:
        lines = (
            map(show, part.value)
            if show is not None
            else (f"{name}: {done}" for name in part.value)
            if part.name == "done"
            else (f"{name}: not {done}: {problem}" for name, problem in part.value.items())
        )
        for line in lines:
            printed = True
            yield line
    if not printed:
        yield "nothing is parked"


def _listed(letter: Mapping[str, Any]) -> str:
    event = f"{letter['namespace']}/{letter['name']} {letter['why']}" if "name" in letter else "(not readable)"
    return f"{letter['id']}  {letter['since']}  {event}  {letter['reason']}"


def _shown(letter: Mapping[str, Any]) -> str:
    return orjson.dumps(letter, option=orjson.OPT_INDENT_2).decode()


def _audit(parts: Iterator[Part]) -> Iterator[str]:
    """The Events that came were asked for: all, or those with which something is wrong. The summary is the end."""
    answer: dict[str, Any] = {}
    for part in parts:
        if part.whole:
            answer[part.name] = part.value
            continue
        for event in part.value:
            yield f"{event['namespace']}/{event['name']} (count {event['count']}): {'; '.join(_fates(event))}"
    for name, counts in answer["senders"].items():
        yield f"{name}: " + (", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "nothing")
    for name, counts in answer["loki"].items():
        yield f"{name} in Loki: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    yield f"{answer['listed']} Events are in the cluster, {answer['unaccounted']} of them unaccounted for"


def _fates(event: Mapping[str, Any]) -> Iterator[str]:
    if not event["accounted"]:
        yield "UNACCOUNTED FOR"
    for name, fate in event["senders"].items():
        reason = f" ({fate['reason']})" if fate["reason"] else ""
        loki = f", {fate['loki']} in Loki" if "loki" in fate else ""
        yield f"{name} {fate['outcome']}{reason}{loki}"
