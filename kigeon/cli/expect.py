"""Reads what ``kigeon hook test --expect FILE`` expects the hook to make of each event.

The file is YAML or JSON, a list with an item for each event; a file that holds no list is one item for all events::

    - skipped                        the hook returns None
    - failed                         the hook gives no usable answer
    - tenantID: shop                 the event is sent, and each of these keys has this value
      streamLabels: {team: web}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from kigeon.errors import OperatorError
from kigeon.hooks.trial import FAILED, SENT, SKIPPED, Trial

Expected = str | Mapping[str, Any]


def read_expected(path: Path, count: int) -> list[Expected]:
    """Return what is expected of each of *count* events; :class:`OperatorError` says what is wrong with the file."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OperatorError(f"{path} can't be read: {' '.join(str(error).split())}") from error
    items = document if isinstance(document, list) else [document] * count
    if len(items) != count:
        raise OperatorError(f"{path}: it has {len(items)} items for {count} events")
    for number, item in enumerate(items, 1):
        if not (isinstance(item, dict) or item in (SENT, SKIPPED, FAILED)):
            raise OperatorError(f"{path}: item {number} must be sent, skipped, failed, or keys of the configuration")
    return items


def problems_of(expected: Expected, trial: Trial) -> list[str]:
    """Return how *trial* differs from *expected*."""
    outcome = expected if isinstance(expected, str) else SENT
    if trial.outcome != outcome:
        return [f"{outcome}, it is {trial.outcome}"]
    return [] if isinstance(expected, str) else list(_differences(expected, trial.config or {}))


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, wanted in expected.items():
        value = found.get(key)
        if isinstance(wanted, Mapping) and isinstance(value, Mapping):
            yield from _differences(wanted, value, f"{path}{key}.")
        elif value != wanted:
            yield f"{path}{key}: {_shown(wanted)}, it is {_shown(value)}"


def _shown(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
