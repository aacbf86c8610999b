"""Reads of a page of Events no more than what tells them apart: the JSON of each stays as the API server wrote it.

The result is that of :func:`~kigeon.kube.lines.parse_page`, but that an Event's object has only the keys that the
Watcher looks at. What is unusual (other types than Kubernetes' own, a newline, no UTF-8, deep nesting) is read as any
object is.
"""

from __future__ import annotations

from typing import Annotated, Any, TypedDict, cast

import msgspec
import orjson

from kigeon.kube.lines import MAX_LINE_BYTES, MOST_LEVELS, Page, page_of, parse_page, unreadable_page, written_again

Text = str | None
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**15)] | None


class _Written(TypedDict, total=False):
    time: Text


class _Metadata(TypedDict, total=False):
    name: Text
    namespace: Text
    uid: Text
    resourceVersion: Text
    creationTimestamp: Text
    managedFields: list[_Written] | None


class _Involved(TypedDict, total=False):
    kind: Text
    namespace: Text


class _Series(TypedDict, total=False):
    count: Count
    lastObservedTime: Text


class _Event(TypedDict, total=False):
    metadata: _Metadata
    involvedObject: _Involved
    series: _Series | None
    reason: Text
    type: Text
    count: Count
    firstTimestamp: Text
    lastTimestamp: Text
    eventTime: Text


class _Page(msgspec.Struct, gc=False):
    metadata: dict[str, Any]
    items: list[msgspec.Raw] | None = None


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_event = msgspec.json.Decoder(_Event).decode

_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def parse_event_page(body: bytes) -> Page:
    """Parse a page of a list of Events; raises :class:`KubernetesError` when *body* is not one."""
    try:
        page = _decode_page(body)
    except _ERRORS:
        return parse_page(body)
    try:
        return page_of(page.metadata, [_item(bytes(raw)) for raw in page.items or ()])
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable_page(body, error) from error


def _item(raw: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return an Event's object and its JSON; None where it can't be read."""
    try:
        if _is_usual(raw):
            return cast("dict[str, Any]", _decode_event(raw)), raw
    except _ERRORS:
        pass
    try:
        return written_again(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return None


def _is_usual(raw: bytes) -> bool:
    """Whether *raw* can be handed on as it is: one line, not too long or deep.

    Raises :class:`UnicodeDecodeError` where it is no UTF-8.
    """
    if len(raw) > MAX_LINE_BYTES or b"\n" in raw or raw.count(b"{") + raw.count(b"[") > MOST_LEVELS:
        return False
    return raw.isascii() or bool(raw.decode())
