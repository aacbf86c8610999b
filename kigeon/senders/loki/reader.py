"""What Loki holds, read back by LogQL: for an audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson
import requests

from kigeon.errors import SenderError, shorten
from kigeon.senders.loki.sink import TIMEOUT, new_session
from kigeon.senders.sink import Destination

QUERY_PATH = "/loki/api/v1/query_range"
LIMIT = 5000
"""Lines of one answer: Loki's default for max_entries_limit_per_query."""

DEEPEST = 4
"""Digits of a uid by which lines of one nanosecond are told apart, when there are too many for one answer."""

LONGEST_RANGE = 24 * 3600 * 10**9
"""Nanoseconds of one query: some Lokis refuse long ones."""


class Held(NamedTuple):
    """A line that Loki holds; structured metadata is among the labels, as Loki tells it."""

    timestamp: int
    line: str
    labels: Mapping[str, str]


def selector_of(labels: Mapping[str, str]) -> str:
    """Return the LogQL selector of the streams with all of these *labels*; without any, of every stream."""
    matchers = [f"{name}={orjson.dumps(value).decode()}" for name, value in sorted(labels.items())]
    return "{" + (",".join(matchers) or 'service_name=~".+"') + "}"


def read_lines(destination: Destination, selector: str, start: int, end: int) -> Iterator[Held]:
    """Yield what *destination* holds from *start* to *end* (nanoseconds, both included), oldest first.

    Of a nanosecond with more lines than one answer holds, only those of Events are told. Raises :class:`SenderError` when it does not answer as Loki does.
    """
    with new_session(destination) as session:
        while start <= end:
            stop = min(end, start + LONGEST_RANGE)
            lines = _query(session, destination, selector, start, stop + 1)
            if len(lines) < LIMIT:
                yield from lines
                start = stop + 1
                continue
            # A full answer may have cut the last nanosecond's lines in two: those are asked for again.
            last = lines[-1].timestamp
            if last > lines[0].timestamp:
                yield from (line for line in lines if line.timestamp < last)
                start = last
            else:
                yield from _at_once(session, destination, selector, last)
                start = last + 1


def _at_once(
    session: requests.Session, destination: Destination, selector: str, at: int, ending: str = ""
) -> Iterator[Held]:
    """Yield the lines of one nanosecond (Kubernetes writes most times in whole seconds), cut by how their uids end."""
    if len(ending) > DEEPEST:
        raise SenderError(f"{destination.label} holds {LIMIT} lines or more at {at}: too many to read")
    for digit in "0123456789abcdef":
        narrowed = f'{selector} |~ `"uid":"[^"]*{digit}{ending}"`'
        lines = _query(session, destination, narrowed, at, at + 1)
        if len(lines) < LIMIT:
            yield from lines
        else:
            yield from _at_once(session, destination, selector, at, digit + ending)


def _query(session: requests.Session, destination: Destination, selector: str, start: int, end: int) -> list[Held]:
    parameters = {"query": selector, "start": str(start), "end": str(end), "limit": str(LIMIT), "direction": "forward"}
    headers = {"X-Scope-OrgID": destination.tenant_id} if destination.tenant_id else {}
    try:
        response = session.get(destination.url + QUERY_PATH, params=parameters, headers=headers, timeout=TIMEOUT)
        if response.status_code != 200:
            raise SenderError(f"{destination.label} answers {response.status_code}: {shorten(response.text)}")
        streams = orjson.loads(response.content)["data"]["result"]
        held = [Held(int(value[0]), value[1], stream["stream"]) for stream in streams for value in stream["values"]]
    except (requests.RequestException, OSError) as error:
        raise SenderError(f"{destination.label} does not answer: {shorten(str(error))}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SenderError(f"{destination.label} does not answer as Loki does: {error!r}") from error
    return sorted(held, key=lambda line: line.timestamp)
