"""Checks whether the cluster answers, whether it grants the rights that kigeon needs, and whether clocks agree."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

import orjson

from kigeon.clock import CLOCK_CURE
from kigeon.config.settings import Settings
from kigeon.errors import KubernetesError, StartError, Unauthorized, Unreachable
from kigeon.finding import Finding, failed, well
from kigeon.kube.access import ClusterAccess
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch_news import MOST_SKEW

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "deploy/kubernetes/rbac.yaml"

SUBJECT = "cluster"


def check_cluster(settings: Settings, source: ClusterSource) -> Iterator[Finding]:
    """Yield the needed rights that are not granted, whether the cluster answers, and whether the clocks agree."""
    try:
        access = ClusterAccess(source)
    except StartError as error:
        yield failed(SUBJECT, str(error), "give a kubeconfig that can be read, with --kubeconfig")
        return
    granted = 0
    for resource, verb in rights_of(settings):
        try:
            is_granted = may(access, resource, verb)
        except KubernetesError as error:
            yield failed(SUBJECT, str(error), _cure(error))
            return
        if is_granted:
            granted += 1
        else:
            yield failed("rights", f"no right to {verb} {resource}", f"grant {verb} on {resource} ({RBAC})")
    yield well(SUBJECT, f"{access.host} answers, {granted} of {len(rights_of(settings))} rights are granted")
    yield check_clock("the API server", access.server_time() - time.time())


def rights_of(settings: Settings) -> list[tuple[str, str]]:
    """Return the resources and verbs that *settings* need."""
    rights = [("events", "list"), ("events", "watch")]
    if any(sender.filter is not None and sender.filter.match_labels for sender in settings.senders):
        rights += [("namespaces", "list"), ("namespaces", "watch")]
    if any(sender.hook is not None and sender.hook.enrich_pod for sender in settings.senders):
        rights.append(("pods", "get"))
    return rights


def may(access: ClusterAccess, resource: str, verb: str) -> bool:
    """Return whether the credentials have a right in all namespaces. Raises :class:`KubernetesError`."""
    review = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"verb": verb, "resource": resource, "group": ""}},
    }
    try:
        answer = orjson.loads(access.create(REVIEWS, orjson.dumps(review)))
        return bool(answer["status"]["allowed"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise KubernetesError(f"POST {REVIEWS}: the answer is no review: {error}") from error


def check_clock(whose: str, ahead: float) -> Finding:
    """Return whether this machine's clock agrees with that of *whose*, which is *ahead* by that many seconds."""
    if abs(ahead) <= MOST_SKEW:
        return well("clock", f"it agrees with that of {whose}")
    way = "behind" if ahead > 0 else "ahead of"
    said = f"this machine's clock is {abs(ahead):.0f}s {way} that of {whose}"
    return failed("clock", said, CLOCK_CURE)


def _cure(error: KubernetesError) -> str:
    if isinstance(error, Unauthorized):
        return "renew the credentials: the API server does not accept them"
    if isinstance(error.__cause__, ssl.SSLError) or "certificate" in str(error).lower():
        return "name the API server's authority in the kubeconfig (certificate-authority)"
    if isinstance(error, Unreachable) or not error.status:
        return "check the server's address in the kubeconfig, and that no firewall or NetworkPolicy is in between"
    return "see what the API server's own log says"
