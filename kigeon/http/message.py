"""The part of HTTP/1.1 that kigeon needs, which is one request without a body and its answer. Pure.

Of the standard library, ``http.server`` would need a thread for each connection, and asyncio 6 MiB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

MAX_HEAD = 8192
"""Bytes of a request up to its empty line."""

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``headers`` have names in lower case, and the ``query`` has the first value of each name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. One with ``seen`` goes on: the client, which has then seen that version, is told later changes."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
    seen: int | None = None


class BadRequest(Exception):
    """The client sent no request that kigeon answers; ``status`` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def read_request(data: bytes) -> Request | None:
    """Return the request at the beginning of *data*, None while its head is incomplete; raises :class:`BadRequest`."""
    head, end, _ = data[:MAX_HEAD].partition(b"\r\n\r\n")
    if not end:
        if len(data) >= MAX_HEAD:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not _may_begin_a_request(data):
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    headers = _headers(lines)
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if words[0] not in ("GET", "HEAD"):
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)
    return _request(words[0], words[1], headers)


def _may_begin_a_request(data: bytes) -> bool:
    """Return whether *data* may begin with a method, which is a word of letters; a TLS handshake does not."""
    word, space, _ = data.partition(b" ")
    return len(word) <= 16 and (word.isalpha() or not word) and (bool(space) or b"\n" not in data)


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    return headers


def _request(method: str, target: str, headers: Mapping[str, str]) -> Request:
    try:
        url = urlsplit(target)
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST) from None
    query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    return Request(method, url.path, query, headers)


def write_head(response: Response) -> bytes:
    """Return the bytes of *response* up to its body."""
    headers = {
        "Content-Type": response.content_type,
        **({"Content-Length": str(len(response.body))} if response.seen is None else {}),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **response.headers,
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def refusal(error: BadRequest) -> Response:
    """Return the answer to a bad request."""
    headers = {"Allow": "GET, HEAD"} if error.status is HTTPStatus.METHOD_NOT_ALLOWED else {}
    return Response(error.status, f"{error.status.phrase}\n".encode(), headers=headers)
