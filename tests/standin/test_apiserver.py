import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event


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


@pytest.fixture
def client(api: ApiServer) -> Iterator[Client]:
    asking = Client(api)
    yield asking
    asking.close()


def test_a_list_comes_in_pages_of_one_snapshot(api: ApiServer, client: Client) -> None:
    api.put_events(make_event(number) for number in range(5))
    _, first = client.get("/api/v1/events", limit=3)
    api.put_events([make_event(9)])
    _, second = client.get("/api/v1/events", limit=3, **{"continue": first["metadata"]["continue"]})
    assert [len(page["items"]) for page in (first, second)] == [3, 2]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    assert "kind" not in first["items"][0]


def test_a_watch_tells_what_happened_since(api: ApiServer, client: Client) -> None:
    api.put_events([make_event(1)])
    _, listed = client.get("/api/v1/events")
    api.put_events([make_event(2)])
    response = client.watch(listed["metadata"]["resourceVersion"])
    api.put_events([make_event(1, count=2)])
    api.delete_events([("shop", "web-2.17a")])
    lines = [response.readline() for _ in range(3)]
    assert lines[0].startswith(b'{"type":"ADDED","object":{"kind":"Event","apiVersion":"v1",')
    told = [json.loads(line) for line in lines]
    assert [line["type"] for line in told] == ["ADDED", "MODIFIED", "DELETED"]
    assert told[1]["object"]["count"] == 2


def test_a_version_that_is_forgotten_is_gone(api: ApiServer, client: Client) -> None:
    api.put_events([make_event(1)])
    api.store.expire_history()
    line = json.loads(client.watch("1").readline())
    assert (line["type"], line["object"]["code"]) == ("ERROR", 410)


def test_a_token_that_is_forgotten_is_gone(api: ApiServer, client: Client) -> None:
    api.put_events(make_event(number) for number in range(3))
    _, first = client.get("/api/v1/events", limit=1)
    api.store.expire_tokens()
    status, answer = client.get("/api/v1/events", limit=1, **{"continue": first["metadata"]["continue"]})
    assert (status, answer["reason"]) == (410, "Expired")


def test_a_version_in_the_future_is_waited_for(api: ApiServer, client: Client) -> None:
    response = client.watch(str(api.store.version + 1))
    api.put_events([make_event(1)])
    api.put_events([make_event(2)])
    assert json.loads(response.readline())["object"]["metadata"]["name"] == "web-2.17a"


def test_without_the_right_token_nothing_is_told(client: Client) -> None:
    assert client.open("/api/v1/events", token="wrong").status == 401


def test_it_fails_when_it_is_told_to(api: ApiServer, client: Client) -> None:
    api.faults.fail_next(1, 429, retry_after=7)
    refused = client.open("/api/v1/events")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "7")
    assert client.get("/api/v1/events")[0] == 200


@pytest.mark.parametrize("asked", ["list", "name", "watch"])
def test_it_misbehaves_at_one_path_for_what_is_asked_there(
    api: ApiServer, client: Client, asked: Literal["list", "name", "watch"]
) -> None:
    api.put_namespace("shop")
    version = client.get("/api/v1/namespaces")[1]["metadata"]["resourceVersion"]
    api.faults.always("/api/v1/namespaces", 405, asked)
    statuses = {
        "list": client.open("/api/v1/namespaces", limit=1).status,
        "name": client.open("/api/v1/namespaces", fieldSelector="metadata.name=shop").status,
        "watch": client.watch(version, "/api/v1/namespaces").status,
    }
    assert statuses == {**dict.fromkeys(statuses, 200), asked: 405}
    assert api.faults.met == {("/api/v1/namespaces", asked)}
    assert client.open("/api/v1/events").status == 200


@pytest.mark.parametrize(("how", "last"), [("close", b""), ("expire", b'{"type":"ERROR"')])
def test_open_watches_end_as_told(api: ApiServer, client: Client, how: str, last: bytes) -> None:
    response = client.watch(str(api.store.version))
    api.wait_for_watches()
    api.faults.end_watches(how)
    assert response.readline().startswith(last)
    assert response.read() == b""


def test_open_watches_are_cut_in_the_middle_of_a_line(api: ApiServer, client: Client) -> None:
    response = client.watch(str(api.store.version))
    api.wait_for_watches()
    api.faults.end_watches("drop")
    with pytest.raises(IncompleteRead):
        response.readline()


def test_a_line_is_injected(api: ApiServer, client: Client) -> None:
    response = client.watch(str(api.store.version))
    api.wait_for_watches()
    api.faults.inject(b"rubbish")
    assert response.readline() == b"rubbish\n"


def test_a_restored_etcd_has_lower_versions_and_the_same_objects(api: ApiServer, client: Client) -> None:
    api.put_events([make_event(1)])
    _, before = client.get("/api/v1/events")
    api.restore_etcd(10)
    _, after = client.get("/api/v1/events")
    assert int(after["metadata"]["resourceVersion"]) < int(before["metadata"]["resourceVersion"])
    assert [item["metadata"]["uid"] for item in after["items"]] == [item["metadata"]["uid"] for item in before["items"]]


def test_one_namespace_is_listed_by_its_name(api: ApiServer, client: Client) -> None:
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("batch")
    _, found = client.get("/api/v1/namespaces", fieldSelector="metadata.name=shop", limit=1)
    assert [item["metadata"]["labels"]["team"] for item in found["items"]] == ["web"]


def test_pods_are_there_or_not(api: ApiServer, client: Client) -> None:
    api.put_pod("shop", "web-1", uid="u")
    assert client.get("/api/v1/namespaces/shop/pods/web-1")[1]["metadata"]["uid"] == "u"
    assert client.get("/api/v1/namespaces/shop/pods/web-2")[0] == 404
