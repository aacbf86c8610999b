"""Reads the lines that Loki holds by LogQL, for an audit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson

from kigeon.errors import SenderError, shorten
from kigeon.senders.loki.connection import PUSH_TIMEOUT, new_session
from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.loki.labels import SERVICE_NAME
from kigeon.senders.loki.package import requests
from kigeon.senders.loki.streams import OWN_SERVICE

QUERY_PATH = "/loki/api/v1/query_range"
LINES_PER_ANSWER = 1000
"""Lines of one answer. Loki allows 5000, but gives no answer where lines take more than 4 MiB (3.7, by default)."""

DIGITS = "0123456789abcdef"

LONGEST_RANGE = 24 * 3600 * 10**9
"""Nanoseconds of one query: some Lokis refuse long ones."""


class Held(NamedTuple):
    """A line that Loki holds; the labels include structured metadata, as in Loki's answer."""

    timestamp: int
    line: str
    labels: Mapping[str, str]


def selector_of(labels: Mapping[str, str]) -> str:
    """Return the LogQL selector of the streams with all of these *labels*; without labels, of every stream.

    Where kigeon names the service, the selector includes streams whose service Loki named: earlier versions left that
    to Loki.
    """
    matchers = [
        f'{name}=~"{value}|unknown_service"'
        if (name, value) == (SERVICE_NAME, OWN_SERVICE)
        else f"{name}={orjson.dumps(value).decode()}"
        for name, value in sorted(labels.items())
    ]
    return "{" + (",".join(matchers) or 'service_name=~".+"') + "}"


def read_lines(destination: LokiDestination, selector: str, start: int, end: int) -> Iterator[Held]:
    """Yield the lines that *destination* holds from *start* to *end* (nanoseconds, both included), oldest first.

    Raises :class:`SenderError` when it does not answer as Loki does.
    """
    with new_session(destination) as session:
        while start <= end:
            stop = min(end, start + LONGEST_RANGE)
            lines = _query(session, destination, selector, start, stop + 1)
            if len(lines) < LINES_PER_ANSWER:
                yield from lines
                start = stop + 1
                continue
            # A full answer may lack some lines of its last nanosecond: these lines are asked for again.
            last = lines[-1].timestamp
            if last > lines[0].timestamp:
                yield from (line for line in lines if line.timestamp < last)
                start = last
            else:
                yield from _at_once(session, destination, selector, last)
                start = last + 1


def _at_once(
    session: requests.Session, destination: LokiDestination, selector: str, at: int, ending: str = ""
) -> Iterator[Held]:
    """Yield the lines of one nanosecond (most times of Kubernetes are whole seconds), one ending of uids at a time."""
    for digit in DIGITS:
        lines = _query(session, destination, f"{selector} |~ {_uid_ends(digit + ending)}", at, at + 1)
        if len(lines) < LINES_PER_ANSWER:
            yield from lines
        else:
            yield from _at_once(session, destination, selector, at, digit + ending)
    # The remaining lines have no such digit there, or no uid at all.
    rest = f"{selector} |~ {_uid_ends(ending)}" if ending else selector
    lines = _query(session, destination, f"{rest} !~ {_uid_ends(f'[{DIGITS}]{ending}')}", at, at + 1)
    if len(lines) >= LINES_PER_ANSWER:
        raise SenderError(f"{destination.label} holds {LINES_PER_ANSWER} lines or more at {at}: too many to read")
    yield from lines


def _uid_ends(ending: str) -> str:
    return f'`"uid":"[^"]*{ending}"`'


def _query(session: requests.Session, destination: LokiDestination, selector: str, start: int, end: int) -> list[Held]:
    parameters = {
        "query": selector,
        "start": str(start),
        "end": str(end),
        "limit": str(LINES_PER_ANSWER),
        "direction": "forward",
    }
    headers = {"X-Scope-OrgID": destination.tenant_id} if destination.tenant_id else {}
    try:
        response = session.get(destination.url + QUERY_PATH, params=parameters, headers=headers, timeout=PUSH_TIMEOUT)
        if response.status_code != 200:
            raise SenderError(f"{destination.label} answers {response.status_code}: {shorten(response.text)}")
        # orjson takes 13 times the text's memory, which is too much for an operator's process.
        streams = json.loads(response.content)["data"]["result"]
        held = [Held(int(value[0]), value[1], stream["stream"]) for stream in streams for value in stream["values"]]
    except (requests.RequestException, OSError) as error:
        raise SenderError(f"{destination.label} does not answer: {shorten(str(error))}") from error
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise SenderError(f"{destination.label} does not answer as Loki does: {error!r}") from error
    return sorted(held, key=lambda line: line.timestamp)
