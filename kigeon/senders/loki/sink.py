"""The sender type ``loki``."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import urllib3

from kigeon.errors import shorten
from kigeon.events.fields import EventFields
from kigeon.events.occurrence import timestamp_of
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.line import bytes_of_line, fields_to_send
from kigeon.senders.loki.answers import answer_of
from kigeon.senders.loki.body import body_of
from kigeon.senders.loki.connection import Connection
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.exchange import ERRORS, Exchange
from kigeon.senders.loki.labels import LabelValues, label_reader, labels_of
from kigeon.senders.loki.package import requests
from kigeon.senders.loki.planner import LokiPlanner
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.streams import Stream, Streams

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer that are read: Loki names each line that it refuses."""

MAX_CONNECTIONS = 64
MAX_ROUTES = 4096

LATEST = 2**63 - 1
"""Nanoseconds since the epoch of the latest time that Loki knows (2262); Loki refuses such a line alone, as too new.

With a later time in it, Loki would refuse a whole push in JSON, and read a wrong time in protobuf.
"""

FEW = 128
SMALL = 96 * 1024
"""Entries, and bytes of them, in a push that needs no thread: a body of that size fits into a socket's buffer."""

_ENTRY_OVERHEAD = 48
"""Bytes of a body around a line and its metadata: the timestamp, quotes, brackets."""


@dataclass(frozen=True, slots=True)
class Route:
    """What settings say for all events: the destination, the static labels, and which fields of an event to read."""

    settings: LokiSettings
    destination: LokiDestination
    own_labels: Stream
    labels: tuple[str, ...]
    read_labels: Callable[[EventFields], LabelValues]
    metadata: tuple[str, ...]
    read_metadata: Callable[[EventFields], LabelValues]


class LokiSink:
    """Pushes to Loki. A hook may choose other destinations; each destination has a connection of its own."""

    def __init__(self, settings: LokiSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connections: OrderedDict[LokiDestination, Connection] = OrderedDict()
        self._made = 0
        self._routes: dict[int, Route] = {}
        self._streams = Streams()

    def entry(self, event: Mapping[str, Any], settings: LokiSettings | None) -> LokiEntry:
        """Return what to push of *event* under *settings*, or the sender's own."""
        return self._entry(fields_to_send(event), timestamp_of(event), self._route(settings or self._settings))

    def entry_of_fields(self, fields: EventFields, timestamp: int) -> LokiEntry:
        """Return what to push of an event with these *fields* under the sender's own settings."""
        return self._entry(fields, timestamp, self._route(self._settings))

    def _entry(self, fields: EventFields, timestamp: int, route: Route) -> LokiEntry:
        stream = self._streams.stream_of(route.labels, route.read_labels(fields), route.own_labels)
        metadata = labels_of(route.metadata, route.read_metadata(fields))
        line = bytes_of_line(fields)
        size = len(line) + _ENTRY_OVERHEAD
        for name, value in metadata.items():
            size += len(name) + (len(value) if value.isascii() else len(value.encode())) + 6
        return LokiEntry(route.destination, stream, min(timestamp, LATEST), line.decode(), metadata, size)

    def planner(self, destination: LokiDestination) -> LokiPlanner:
        """Return the planner of a destination: an answer does not speak for all of a push."""
        return LokiPlanner()

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        """POST *entries* and return what the answer means."""
        return self.ask(destination, entries)[0]

    def ask(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> tuple[Answer, str]:
        """POST *entries*; return what the answer means, and its Date, "" where it has none."""
        try:
            connection = self._connection(destination)
        except (OSError, ValueError) as error:
            return _no_answer(error), ""
        answer, date = _ask(connection, destination, entries)
        return replace(answer, generation=connection.generation), date

    def begin(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> BegunPush | None:
        """Begin a push of few *entries* without waiting, in the loop's thread; None: a thread has to push them."""
        if len(entries) > FEW or sum(entry.size for entry in entries) > SMALL:
            return None
        with self._lock:
            connection = self._known_connection(_shared(destination))
        if connection is None:
            return None
        try:
            exchange = connection.begin(lambda: body_of(entries, destination.encoding), destination.tenant_id)
        except (requests.RequestException, UnicodeEncodeError):
            return None  # What is wrong, :meth:`push` says.
        return BegunPush(connection, exchange) if exchange is not None else None

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _route(self, settings: LokiSettings) -> Route:
        route = self._routes.get(id(settings))
        if route is None or route.settings is not settings:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            # The route keeps the settings alive, so that no other object can get their id.
            route = self._routes[id(settings)] = route_of(settings)
        return route

    def _connection(self, destination: LokiDestination) -> Connection:
        shared = _shared(destination)
        with self._lock:
            connection = self._known_connection(shared)
            if connection is None:
                connection = self._connections[shared] = Connection(shared, self._made)
                self._made += 1
                while len(self._connections) > MAX_CONNECTIONS:
                    self._connections.popitem(last=False)
            return connection

    def _known_connection(self, shared: LokiDestination) -> Connection | None:
        """Return the connection that was made to *shared*, which is then the one used last; the lock is held."""
        connection = self._connections.get(shared)
        if connection is not None:
            self._connections.move_to_end(shared)
        return connection


def _shared(destination: LokiDestination) -> LokiDestination:
    """Return what tenants of one destination share: their connection."""
    return replace(destination, tenant_id=None)


class BegunPush:
    """A push that was begun without waiting; :meth:`arrival` belongs to the loop, :meth:`finish` to any thread."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self.arrival = exchange.arrival

    @property
    def is_at_hand(self) -> bool:
        """Whether :meth:`finish` will not wait."""
        return self._exchange.is_at_hand

    def finish(self) -> Answer:
        """Read what Loki said, and return what it means."""
        try:
            status, body, headers = self._exchange.read(MAX_ANSWER)
            answer = answer_of(status, body, headers.get("Retry-After"))
        except ERRORS as error:
            self._connection.note_loss()
            answer = _no_answer(error)
        return replace(answer, generation=self._connection.generation)


def _ask(connection: Connection, destination: LokiDestination, entries: Sequence[LokiEntry]) -> tuple[Answer, str]:
    try:
        response = connection.post(body_of(entries, destination.encoding), destination.tenant_id)
        try:
            answer = response.read(MAX_ANSWER, decode_content=True)
        finally:
            response.close()
        found = answer_of(response.status, answer, response.headers.get("Retry-After"))
        return found, response.headers.get("Date", "")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError) as error:
        return _no_answer(error), ""


def _no_answer(error: Exception) -> Answer:
    if _is_distrust(error):
        return Answer(PushStatus.HOLD, f"TLS: {shorten(str(error))}", cure=_tls_cure(str(error)))
    return Answer(PushStatus.RETRY, f"no answer: {shorten(str(error))}", answered=False, concerns_all=True)


def route_of(settings: LokiSettings) -> Route:
    """Return the route of *settings*.

    A stream label is left out of the structured metadata of the same name: Loki would show it twice.
    """
    shown = {pair for pair in settings.event_labels if pair[0] not in settings.stream_labels}
    metadata = tuple(pair for pair in settings.structured_metadata if pair not in shown)
    return Route(
        settings,
        destination_of(settings),
        tuple(settings.stream_labels.items()),
        tuple(name for name, _ in settings.event_labels),
        label_reader(settings.event_labels),
        tuple(name for name, _ in metadata),
        label_reader(metadata),
    )


def destination_of(settings: LokiSettings) -> LokiDestination:
    """Return the destination of *settings*."""
    auth = settings.basic_auth
    return LokiDestination(
        settings.url.rstrip("/"),
        settings.tenant_id,
        auth.username if auth else "",
        auth.password if auth else "",
        auth is not None,
        settings.insecure_skip_verify,
        settings.encoding,
    )


def _is_distrust(error: Exception) -> bool:
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        return isinstance(error.reason, urllib3.exceptions.SSLError)
    return isinstance(error, urllib3.exceptions.SSLError)


def _tls_cure(reason: str) -> str:
    if "WRONG_VERSION_NUMBER" in reason or "record layer failure" in reason:
        return "the server speaks no TLS: begin the url with http://"
    return "have the certificate's authority trusted (REQUESTS_CA_BUNDLE), or set tlsConfig.insecureSkipVerify"
