"""A client of the stand-in for an API server."""

import json
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from kigeon.standin.apiserver import ApiServer


class Client:
    """Asks one server; connections end with the test."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._connections: list[HTTPConnection] = []

    def open(self, path: str, token: str = "", **query: Any) -> HTTPResponse:
        connection = HTTPConnection(urlsplit(self._api.url).netloc, timeout=10)
        self._connections.append(connection)
        headers = {"Authorization": f"Bearer {token or self._api.token}"}
        connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
        return connection.getresponse()

    def get(self, path: str, **query: Any) -> tuple[int, dict[str, Any]]:
        response = self.open(path, **query)
        return response.status, json.loads(response.read())

    def watch(self, version: str, path: str = "/api/v1/events") -> HTTPResponse:
        return self.open(path, watch="true", resourceVersion=version, timeoutSeconds=30)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
