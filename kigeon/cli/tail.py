"""``kigeon tail``: the events of a running kigeon, as they come."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from kigeon.cli.asking import ask
from kigeon.cli.show_events import EventTable, row_of
from kigeon.cli.table import clean
from kigeon.cli.terminal import look_of
from kigeon.config.settings import Settings
from kigeon.events.fields import fields_of

Event = dict[str, Any]


def run_tail(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print events until a signal; :class:`~kigeon.errors.OperatorError` when kigeon ends before."""
    kind, _, name = (arguments.involved or "").partition("/")
    request = {
        "command": "tail",
        "follow": True,
        "last": arguments.last,
        "namespace": "" if arguments.all_namespaces else arguments.namespace or "",
        "types": arguments.types or [],
        "kind": kind,
        "name": name,
    }
    shown = _shown(arguments, bool(request["namespace"]))
    for part in ask(settings.global_.data_dir, request, lambda text: None):
        for event in part.value:
            sys.stdout.writelines(f"{line}\n" for line in shown(event))
        sys.stdout.flush()
    return 0


def _shown(arguments: argparse.Namespace, is_of_one: bool) -> Callable[[Event], Iterator[str]]:
    if arguments.json or arguments.output == "json":
        return lambda event: iter([orjson.dumps(event).decode()])
    if arguments.output == "name":
        return lambda event: iter([f"event/{clean(fields_of(event).name)}"])
    table = EventTable(look_of(sys.stdout), arguments.output == "wide", not is_of_one, not arguments.no_headers)
    return lambda event: table.lines([row_of(event)])
