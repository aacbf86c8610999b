"""What a hook is shown of an event, and what its worker's answers mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from kigeon.errors import HookError, HookRaised, HookResultInvalid, HookTimeout, shorten
from kigeon.hooks import frames


@dataclass(frozen=True, slots=True)
class Transformed:
    """The hook returned a config, as JSON; None where it returned the config unchanged."""

    config: bytes | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """The hook returned None."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The hook gave no usable answer."""

    error: HookError


Result = Transformed | Skipped | Failed


def encode(event: Mapping[str, Any]) -> bytes | Failed:
    """Return the frame of an event as kubectl shows it: with kind and apiVersion, without managedFields.

    An event that is nested deeper than any API object, or holds an int beyond 64 bits, fails.
    """
    shown = {"apiVersion": "v1", "kind": "Event", **event}
    metadata = shown.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        shown["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    try:
        return frames.encode(frames.EVENT, orjson.dumps(shown))
    except orjson.JSONEncodeError as error:
        return Failed(HookRaised(f"the event can't be shown to the hook: {error}"))


def result_of(kind: bytes, payload: bytes) -> Result:
    """Return what a frame of this *kind* says of an event."""
    if kind == frames.SAME:
        return Transformed()
    if kind == frames.CONFIG:
        return Transformed(payload)
    if kind == frames.NONE:
        return Skipped()
    if kind == frames.TIMED_OUT:
        return Failed(HookTimeout("transform took too long"))
    if kind == frames.INVALID:
        return Failed(HookResultInvalid(shorten(payload)))
    return Failed(HookRaised(message_of(payload)))


def message_of(payload: bytes, source: str = "") -> str:
    """Return the interpreter's message with line and column in front, where it tells them (`` --> file:line:col``)."""
    text = payload.decode("utf-8", "replace")
    found = re.search(r"\n\s*--> (.+):(\d+):(\d+)", text)
    if found is None:
        return shorten(text)
    message = shorten(text[: found.start()])
    # The code around the script (named kigeon) is no place that the script's author could look at.
    if found[1] == "kigeon":
        return message
    line, column = found[2], found[3]
    if source and not re.search(r"\n\s*\d+ \|", text[found.end() :]):
        # The message shows no line: something is missing at the end, for which the interpreter says 1:1.
        lines = source.rstrip().splitlines() or [""]
        line, column = str(len(lines)), str(len(lines[-1]) + 1)
    return f"line {line}, column {column}: {message}"
