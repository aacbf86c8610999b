"""The objects of the stand-in, with their versions."""

import json

from kigeon.standin.apiserver import ApiServer
from tests.standin.client import Client
from tests.support.events import make_event


def test_a_list_comes_in_pages_of_one_snapshot(api: ApiServer, client: Client) -> None:
    api.put_events(make_event(number) for number in range(5))
    _, first = client.get("/api/v1/events", limit=3)
    api.put_events([make_event(9)])
    _, second = client.get("/api/v1/events", limit=3, **{"continue": first["metadata"]["continue"]})
    assert [len(page["items"]) for page in (first, second)] == [3, 2]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    assert "kind" not in first["items"][0]


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


def test_a_restored_etcd_has_lower_versions_and_the_same_objects(api: ApiServer, client: Client) -> None:
    api.put_events([make_event(1)])
    _, before = client.get("/api/v1/events")
    api.restore_etcd(10)
    _, after = client.get("/api/v1/events")
    assert int(after["metadata"]["resourceVersion"]) < int(before["metadata"]["resourceVersion"])
    assert [item["metadata"]["uid"] for item in after["items"]] == [item["metadata"]["uid"] for item in before["items"]]
