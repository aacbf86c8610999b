import json

from kigeon.standin.apiserver import ApiServer
from tests.standin.client import Client
from tests.support.events import make_event


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


def test_without_the_right_token_nothing_is_told(client: Client) -> None:
    assert client.open("/api/v1/events", token="wrong").status == 401


def test_one_namespace_is_listed_by_its_name(api: ApiServer, client: Client) -> None:
    api.put_namespace("shop", {"team": "web"})
    api.put_namespace("batch")
    _, found = client.get("/api/v1/namespaces", fieldSelector="metadata.name=shop", limit=1)
    assert [item["metadata"]["labels"]["team"] for item in found["items"]] == ["web"]


def test_pods_are_there_or_not(api: ApiServer, client: Client) -> None:
    api.put_pod("shop", "web-1", uid="u")
    assert client.get("/api/v1/namespaces/shop/pods/web-1")[1]["metadata"]["uid"] == "u"
    assert client.get("/api/v1/namespaces/shop/pods/web-2")[0] == 404
