"""The probes of the manifests ask for what is served, where it is served."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.http.message import Request
from kigeon.http.server import split_address
from kigeon.http.site import Site
from tests.config.files import load

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"


def container() -> dict[str, Any]:
    spec = yaml.safe_load((FOLDER / "statefulset.yaml").read_text())["spec"]["template"]["spec"]
    (found,) = spec["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_probe_asks_for_what_is_served(probe: str) -> None:
    asked = container()[probe]["httpGet"]
    path = {"livenessProbe": "/livez", "readinessProbe": "/readyz"}[probe]
    assert (asked["path"], asked["port"]) == (path, "http")
    assert Site().respond(Request("GET", path)).status != HTTPStatus.NOT_FOUND


def test_it_is_served_at_the_port_that_is_asked(tmp_path: Path) -> None:
    text = yaml.safe_load((FOLDER / "configmap.yaml").read_text())["data"]["config.yaml"]
    host, port = split_address(load(tmp_path, text).http.listen)
    assert host == ""
    assert container()["ports"] == [{"name": "http", "containerPort": port}]
