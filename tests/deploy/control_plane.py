"""A real API server that takes manifests as ``kubectl apply`` hands them over, and tells what a user asked it for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.cluster import Cluster

USER = "system:serviceaccount:kigeon:kigeon"


class ControlPlane(Cluster):
    """A context manager, as a Cluster is; every request of kigeon's service account is noted."""

    def __init__(self, folder: Path) -> None:
        self._policy, self._audit = folder / "policy.yaml", folder / "audit.log"
        rules = [{"level": "Metadata", "users": [USER]}, {"level": "None"}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
        self._policy.write_text(yaml.safe_dump(policy))
        super().__init__(folder)

    def _api(self) -> list[str | Path]:
        return [*super()._api(), "--audit-policy-file", self._policy, "--audit-log-path", self._audit]

    def apply(self, manifest: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Apply a manifest on the server's side; a field that it does not know is refused."""
        query = "fieldManager=tests&force=true&fieldValidation=Strict"
        place = f"{path or self.collection(manifest)}/{manifest['metadata']['name']}"
        return self.ask("PATCH", f"{place}?{query}", manifest, "application/apply-patch+yaml")

    def collection(self, manifest: Mapping[str, Any]) -> str:
        """Return the path of a manifest's kind, as the server's discovery has it."""
        version = manifest["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        known = self.ask("GET", root)["resources"]
        (kind,) = (one for one in known if one["kind"] == manifest["kind"] and "/" not in one["name"])
        namespace = f"/namespaces/{manifest['metadata']['namespace']}" if kind["namespaced"] else ""
        return f"{root}{namespace}/{kind['name']}"

    def token(self) -> str:
        """Return a token of kigeon's service account, as the kubelet gets it for a Pod."""
        path = "/api/v1/namespaces/kigeon/serviceaccounts/kigeon/token"
        answer = self.ask("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        found: str = answer["status"]["token"]
        return found

    def is_allowed(self, verb: str, resource: str, group: str = "") -> bool:
        """Return whether kigeon's service account may do that in the whole cluster."""
        spec = {"user": USER, "resourceAttributes": {"verb": verb, "resource": resource, "group": group}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = self.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def asked(self) -> list[tuple[str, str, int]]:
        """Return resource, verb and status of every request of kigeon's service account."""
        return [_request(entry) for entry in map(json.loads, self._lines())]

    def _lines(self) -> Iterable[str]:
        # The last one may still be being written.
        return self._audit.read_text().rpartition("\n")[0].splitlines() if self._audit.exists() else []


def _request(entry: Mapping[str, Any]) -> tuple[str, str, int]:
    resource = entry.get("objectRef", {}).get("resource", entry["requestURI"])
    return resource, entry["verb"], entry.get("responseStatus", {}).get("code", 0)
