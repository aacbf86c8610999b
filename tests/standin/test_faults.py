"""Faults of the stand-in for an API server."""

from http.client import IncompleteRead
from typing import Literal

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.standin.client import Client


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


def test_a_server_that_is_healed_owes_no_failure(api: ApiServer, client: Client) -> None:
    api.faults.fail_next(3, 401)
    api.faults.heal()
    assert client.get("/api/v1/events")[0] == 200
