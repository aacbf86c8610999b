"""The keys of a configuration and their values; the keys of a sender's ``config`` come from the sender's type."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from kigeon.config.queue import QUEUE
from kigeon.config.types import ConfigTypes
from kigeon.config.validators import (
    Section,
    Wrong,
    address,
    boolean,
    check,
    duration,
    labels,
    one_of,
    refuse,
    some_text,
    text,
)

_NAME = re.compile(r"[a-z0-9-]{1,63}")
_KUBERNETES_LABEL = re.compile(
    r"(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
_KUBERNETES_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def sender_name(given: Any) -> str:
    """A name that may be a part of durable names."""
    if not _NAME.fullmatch(text(given)):
        raise Wrong("must consist of a-z, 0-9 and `-`, at most 63 of them")
    return str(given)


match_labels = labels(
    lambda name: "" if _KUBERNETES_LABEL.fullmatch(name) else "is no name of a Kubernetes label",
    lambda value: bool(_KUBERNETES_VALUE.fullmatch(value)),
    "a Kubernetes label",
)


def sender_section(types: ConfigTypes) -> Section:
    """Return what one of ``eventsenders`` may say; its config is its type's."""
    return Section(
        {
            "name": sender_name,
            "type": one_of(*types),
            "filter": (
                Section(
                    {
                        "namespaceSelector": (Section({"matchLabels": (match_labels, {})}), {"matchLabels": {}}),
                        "includeNonNamespaced": (boolean, False),
                        "hardRefreshInterval": (duration(zero=True, least=1.0), 0.0),
                    }
                ),
                None,
            ),
            "config": (lambda given: given, None),
        }
    )


def senders(given: Any, types: ConfigTypes) -> list[dict[str, Any]]:
    """The list of senders, each with its config as its type wants it; ``raw`` is that config as the file has it."""
    if not isinstance(given, list) or not given:
        raise Wrong("must be a list of at least one sender")
    wrong: list[Wrong] = []
    found: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    for index, item in enumerate(given):
        sender, problems = check(partial(sender_with_config, types=types), item)
        wrong += [Wrong(message, cure, [index, *path]) for path, message, cure in problems]
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and names.setdefault(name, index) != index:
            wrong.append(Wrong(f"is the name of eventsenders[{names[name]}] too", "names are unique", [index, "name"]))
        if sender is not None:
            found.append(sender)
    refuse(wrong)
    return found


def sender_with_config(given: Any, types: ConfigTypes) -> dict[str, Any]:
    """One sender; problems of its config are found even where the sender has other problems."""
    sender, problems = check(sender_section(types), given)
    raw = given.get("config") if isinstance(given, dict) else None
    kind = given.get("type") if isinstance(given, dict) else None
    config = None
    if isinstance(kind, str) and kind in types:
        config, wrong = check(types[kind].in_file, raw)
        problems += [(("config", *path), message, cure) for path, message, cure in wrong]
    refuse([Wrong(message, cure, path) for path, message, cure in problems])
    # A filter that is left out, or null, is no filter; `{}` selects every namespace.
    chosen = sender["filter"] if given.get("filter") is not None else None
    return {**sender, "filter": chosen, "config": config, "raw": raw or {}}


def file_section(types: ConfigTypes) -> Section:
    """Return what a file may say, with these *types* of senders."""
    return Section(
        {
            "global": (
                Section(
                    {
                        "dataDir": (some_text, "/var/lib/kigeon/data"),
                        "logLevel": (one_of("debug", "info", "warn", "error"), "info"),
                        "logFormat": (one_of("json", "text"), "json"),
                    }
                ),
                None,
            ),
            "queue": (QUEUE, None),
            "pusher": (
                Section({"pushTimeout": (duration(least=0.1), 5.0), "batchWait": (duration(zero=True), 0.2)}),
                None,
            ),
            "http": (Section({"listen": (address, "127.0.0.1:8080"), "namespaceLabel": (boolean, False)}), None),
            "eventsenders": partial(senders, types=types),
        }
    )
