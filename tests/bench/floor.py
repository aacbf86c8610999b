"""The least that the same way costs: ``python -m tests.bench.floor KUBECONFIG LOKI FILE``.

One process takes what came of the watch at most once in :data:`WAIT` seconds, parses it, writes it to a file with
fsync, and pushes it to Loki, compressed. It survives nothing and remembers nothing: what kigeon costs more is what its
queue, its actors and its accounts cost.
"""

from __future__ import annotations

import gzip
import http.client
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import yaml

from kigeon.events.occurrence import timestamp_of

WAIT = 0.2
LARGEST = 8 * 1024 * 1024
LINE = b'{"type":'
"""How a line of a watch begins; other lines are the sizes of chunks."""


def main() -> None:
    """Work until killed."""
    kubeconfig, loki, path = sys.argv[1:]
    pushes = http.client.HTTPConnection(urlsplit(loki).netloc)
    with Path(path).open("ab", buffering=0) as file:
        for lines in watch(Path(kubeconfig)):
            file.write(b"\n".join(lines))
            os.fsync(file.fileno())
            push(pushes, lines)


def watch(kubeconfig: Path) -> Iterator[list[bytes]]:
    """Yield what came of a watch, at once after a silence."""
    document = yaml.safe_load(kubeconfig.read_text())
    host = urlsplit(document["clusters"][0]["cluster"]["server"]).netloc
    head = f"GET /api/v1/events?watch=true&resourceVersion=1&timeoutSeconds=3600 HTTP/1.1\r\nHost: {host}\r\n"
    connection = socket.create_connection(tuple(host.split(":")))
    connection.sendall(f"{head}Authorization: Bearer {document['users'][0]['user']['token']}\r\n\r\n".encode())
    rest = b""
    while read := connection.recv(LARGEST):
        *lines, rest = (rest + read).split(b"\n")
        if events := [line for line in lines if line.startswith(LINE)]:
            yield events
            time.sleep(WAIT)


def push(connection: http.client.HTTPConnection, lines: list[bytes]) -> None:
    """Push *lines* as one stream."""
    events = [orjson.loads(line)["object"] for line in lines]
    values = [[str(timestamp_of(event)), orjson.dumps(event).decode()] for event in events]
    body = orjson.dumps({"streams": [{"stream": {"app": "floor"}, "values": values}]})
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    connection.request("POST", "/loki/api/v1/push", gzip.compress(body, 1), headers)
    connection.getresponse().read()


if __name__ == "__main__":
    main()
