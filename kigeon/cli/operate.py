"""``kigeon status``, ``dead-letter`` and ``audit``: asked of a running kigeon, through the socket in its dataDir."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from actors.operator.address import SOCKET, short_path
from kigeon.config.settings import Settings
from kigeon.errors import OperatorError

PATIENCE = 900.0
"""Seconds for an answer: an audit reads a cluster, a queue and a Loki."""


def operate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Ask, print the answer, return the exit status: 1 where something is wrong that was asked for.

    Raises :class:`OperatorError` when there is no answer.
    """
    if not (getattr(arguments, "ids", True) or getattr(arguments, "all", False)):
        raise OperatorError(f"dead-letter {arguments.action}: give the ids that list shows, or --all")
    answer = ask(settings.global_.data_dir, _request(arguments))
    if arguments.json:
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(arguments, answer))
    return 1 if answer.get("problems") or answer.get("unaccounted") or _unaccounted(answer) else 0


def ask(data_dir: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a running kigeon's answer to *request*; :class:`OperatorError` when there is none."""
    path = data_dir / SOCKET
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(path) as short:
            connection.settimeout(PATIENCE)
            connection.connect(short)
            connection.sendall(orjson.dumps(request) + b"\n")
            data = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    except PermissionError as error:
        raise OperatorError(f"{path}: only the user that kigeon runs as may ask it") from error
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        cure = "start it, or name the configuration that it runs with"
        raise OperatorError(f"no kigeon runs with global.dataDir {data_dir}: {cure}") from error
    except OSError as error:
        raise OperatorError(f"{path}: kigeon does not answer: {error}") from error
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise OperatorError(f"{path}: kigeon ended before it answered: ask again") from error
    if "error" in answer:
        raise OperatorError(str(answer["error"]))
    found: dict[str, Any] = answer["result"]
    return found


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = ("command", "action", "ids", "all", "sender", "loki")
    return {key: value for key in wanted if (value := getattr(arguments, key, None)) is not None}


def _unaccounted(answer: Mapping[str, Any]) -> bool:
    senders = answer.get("senders", {}).values()
    return any(accounts.get("unaccounted") for accounts in senders)


def _lines(arguments: argparse.Namespace, answer: dict[str, Any]) -> Iterator[str]:
    if arguments.command == "status":
        return _status(answer)
    if arguments.command == "audit":
        return _audit(answer)
    return _shown(answer) if arguments.action == "show" else _dead_letters(arguments.action, answer)


def _status(answer: dict[str, Any]) -> Iterator[str]:
    watcher = answer["watcher"]
    parts = " + ".join(f"{key} {watcher[key]}" for key in ("stored", "repeated", "unreadable"))
    until = watcher["watchedUntil"]
    yield f"received {watcher['received']} = {parts}; " + (f"watched until {until}" if until else "not watched yet")
    for name, accounts in answer["senders"].items():
        keys = [key for key in accounts if key not in ("stored", "unaccounted")]
        yield f"{name}: stored {accounts['stored']} = " + " + ".join(f"{key} {accounts[key]}" for key in keys)
        if accounts["unaccounted"]:
            yield f"{name}: {accounts['unaccounted']} are NOT ACCOUNTED FOR"


def _dead_letters(action: str, answer: dict[str, Any]) -> Iterator[str]:
    if action == "list":
        for letter in answer["deadLetters"]:
            event = f"{letter['namespace']}/{letter['name']} {letter['why']}" if "name" in letter else "(not readable)"
            yield f"{letter['id']}  {letter['since']}  {event}  {letter['reason']}"
        if not answer["deadLetters"]:
            yield "nothing is parked"
        return
    done = "sent again" if action == "replay" else "dropped"
    yield from (f"{name}: {done}" for name in answer["done"])
    yield from (f"{name}: not {done}: {problem}" for name, problem in answer["problems"].items())
    if not answer["done"] and not answer["problems"]:
        yield "nothing is parked"


def _shown(answer: dict[str, Any]) -> Iterator[str]:
    for letter in answer["deadLetters"]:
        yield orjson.dumps(letter, option=orjson.OPT_INDENT_2).decode()


def _audit(answer: dict[str, Any]) -> Iterator[str]:
    for event in answer["events"]:
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
