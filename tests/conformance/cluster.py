"""A cluster's control plane: a real etcd and a real kube-apiserver, with RBAC and two users."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from tests.conformance.build import binary
from tests.conformance.servers import Server, free_port
from tests.support.processes import wait_until

ADMIN = "admin-token"
KIGEON = "kigeon-token"
"""The user with exactly the rights of deploy/kubernetes/rbac.yaml."""

ROLE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "rbac.yaml"


class Cluster:
    """A context manager. *event_ttl* is how long it keeps Events, as ``--event-ttl`` has it."""

    def __init__(self, folder: Path, event_ttl: str = "1h") -> None:
        self.folder = folder
        self._ttl = event_ttl
        self._client, self._peer, self.port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority = folder / "certificates" / "apiserver.crt"
        self._tokens = folder / "tokens.csv"
        self._session = requests.Session()
        self._session.trust_env = False
        self._servers = ExitStack()
        self.etcd = Server(self._etcd(), folder / "etcd.log", self._etcd_answers)
        self.api = Server(self._api(), folder / "apiserver.log", self._api_answers)

    def __enter__(self) -> Self:
        self.set_tokens(KIGEON)
        key = self.folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        self._servers.enter_context(self.etcd)
        self._servers.enter_context(self.api)
        self._settle()
        self.grant()
        return self

    def __exit__(self, *error: object) -> None:
        self._servers.close()
        self._session.close()

    def _settle(self) -> None:
        """Have the API server record no Event of its own: while it first gives itself an address, it may."""
        wait_until(lambda: self._exists("/api/v1/namespaces/default/services/kubernetes"), what="its own service")
        self.api.end(signal.SIGKILL)
        self.api.start()
        self.clear()

    def wait(self) -> None:
        """Return when the API server answers: it may have lost etcd for a while."""
        wait_until(self._api_answers, 60, "an answer of the API server")

    def set_tokens(self, kigeon: str) -> None:
        """Write the file of tokens; the API server reads it when it starts."""
        self._tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n{kigeon},kigeon,kigeon\n')

    def grant(self, *without: str) -> None:
        """Give kigeon's user the shipped rights, *without* those for some resources."""
        documents = yaml.safe_load_all(ROLE.read_text())
        (role,) = (document for document in documents if document["kind"] == "ClusterRole")
        role["rules"] = [rule for rule in role["rules"] if rule["resources"][0] not in without]
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.put(f"{rbac}/clusterroles", role)
        binding = {
            "metadata": {"name": "kigeon"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kigeon"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kigeon"}],
        }
        self.put(f"{rbac}/clusterrolebindings", binding)

    def write_kubeconfig(self, path: Path, token: str = KIGEON) -> Path:
        """Write credentials for kigeon's user to *path*, and return it."""
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        document = {
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "kigeon", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "kigeon"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> dict[str, Any]:
        """Return the API server's answer to the admin; :class:`requests.HTTPError` when it refuses."""
        response = self._session.request(
            method,
            self.url + path,
            data=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {ADMIN}", "Content-Type": kind},
            verify=str(self.authority),
            timeout=30,
        )
        if not response.ok:
            raise requests.HTTPError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        answer: dict[str, Any] = response.json()
        return answer

    def put(self, collection: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, or replace the one of its name."""
        path = f"{collection}/{body['metadata']['name']}"
        try:
            return self.ask("POST", collection, body)
        except requests.HTTPError:
            current = self.ask("GET", path)["metadata"]["resourceVersion"]
            return self.ask("PUT", path, {**body, "metadata": {**body["metadata"], "resourceVersion": current}})

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        """Merge *body* into an object, as client-go's recorder does to raise a count."""
        return self.ask("PATCH", path, body, "application/merge-patch+json")

    def put_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Create a namespace, or replace its labels."""
        self.put("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace, and finalize it as the namespace controller does, but for what is in it."""
        path = f"/api/v1/namespaces/{name}"
        namespace = self.ask("DELETE", path)
        namespace["spec"]["finalizers"] = []
        self.ask("PUT", f"{path}/finalize", namespace)

    def events(self) -> list[dict[str, Any]]:
        """Return every Event that is listed, as core/v1 has it."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self.ask("GET", f"/api/v1/events?limit=2000&continue={token}")
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    # ----------------------------------------------------------------------------------------------------- through etcd

    def store_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Write *events* to etcd, a hundred in a transaction: the API server would take a few hundred a second."""
        rest = iter(events)
        while operations := [_put_of(event) for event in islice(rest, 100)]:
            self._etcd_ask("/v3/kv/txn", {"success": operations})

    def clear(self) -> None:
        """Delete every Event, as quickly as etcd can."""
        self._etcd_ask(
            "/v3/kv/deleterange", {"key": _base64("/registry/events/"), "range_end": _base64("/registry/events0")}
        )

    def compact(self) -> None:
        """Have etcd forget its history: whoever resumes from it is answered 410."""
        key = {"key": _base64("/registry/"), "range_end": _base64("/registry0"), "limit": 1, "keys_only": True}
        revision = self._etcd_ask("/v3/kv/range", key)["header"]["revision"]
        self._etcd_ask("/v3/kv/compaction", {"revision": revision, "physical": True})

    def _etcd_ask(self, path: str, body: Any) -> dict[str, Any]:
        response = self._session.post(f"http://127.0.0.1:{self._client}{path}", json=body, timeout=60)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def _etcd(self) -> list[str | Path]:
        client, peer = f"http://127.0.0.1:{self._client}", f"http://127.0.0.1:{self._peer}"
        return [
            binary("etcd"),
            *("--name", "test", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"test={peer}", "--log-level", "warn"),
        ]

    def _api(self) -> list[str | Path]:
        key = self.folder / "service-accounts.key"
        return [
            binary("kube-apiserver"),
            *("--etcd-servers", f"http://127.0.0.1:{self._client}", "--cert-dir", self.folder / "certificates"),
            *("--bind-address", "127.0.0.1", "--secure-port", str(self.port)),
            *("--service-account-key-file", key, "--service-account-signing-key-file", key),
            *("--service-account-issuer", "https://kubernetes.default.svc", "--token-auth-file", self._tokens),
            *("--authorization-mode", "RBAC", "--event-ttl", self._ttl, "--etcd-compaction-interval", "0"),
            *("--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.0.0.0/24"),
        ]

    def _exists(self, path: str) -> bool:
        try:
            self.ask("GET", path)
        except requests.HTTPError:
            return False
        return True

    def _etcd_answers(self) -> bool:
        try:
            return self._session.get(f"http://127.0.0.1:{self._client}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def _api_answers(self) -> bool:
        try:
            headers = {"Authorization": f"Bearer {ADMIN}"}
            return self._session.get(f"{self.url}/readyz", headers=headers, verify=str(self.authority), timeout=5).ok
        except (requests.RequestException, OSError):
            return False


def _put_of(event: Mapping[str, Any]) -> dict[str, Any]:
    metadata = event["metadata"]
    key = f"/registry/events/{metadata['namespace']}/{metadata['name']}"
    value = json.dumps({"kind": "Event", "apiVersion": "v1", **event})
    return {"request_put": {"key": _base64(key), "value": _base64(value)}}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
