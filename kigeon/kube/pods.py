"""The involved Pods of events, looked up side by side and remembered for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

import orjson

from kigeon.errors import KubernetesError
from kigeon.events.fields import mapping, text
from kigeon.kube.access import ClusterAccess

log = logging.getLogger(__name__)

REMEMBER = 30.0
MOST_PODS = 2048
SIDE_BY_SIDE = 32
TIMEOUT = 5.0

FORBIDDEN = 403
CURE = "grant get on pods (deploy/kubernetes/rbac.yaml)"


class Missing(Enum):
    """Why there is no Pod: it is gone (the API server says so), or the API server can't say."""

    GONE = "gone"
    UNAVAILABLE = "unavailable"


Pod = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodKey:
    """Which Pod an event is about. A Pod of the same name with another uid is another Pod."""

    namespace: str
    name: str
    uid: str = ""


def pod_key_of(event: Mapping[str, Any]) -> PodKey | None:
    """Return the Pod that *event* is about; None when it is about something else."""
    involved = mapping(event, "involvedObject")
    namespace, name = text(involved, "namespace"), text(involved, "name")
    # Nothing keeps an event's author from writing dots, which would lead to another path of the API.
    if text(involved, "kind") != "Pod" or {namespace, name} & {"", ".", ".."}:
        return None
    return PodKey(namespace, name, text(involved, "uid"))


class PodLookup:
    """Asks for Pods, at most once in :data:`REMEMBER` seconds for each; remembers also that one is gone."""

    def __init__(self, access: ClusterAccess, clock: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[PodKey, tuple[float, Pod | Missing]] = OrderedDict()
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "pods")

    def get_many(self, keys: Iterable[PodKey]) -> dict[PodKey, Pod | Missing]:
        """Return the Pod of each key, or why there is none; a Pod comes without its managedFields."""
        wanted = dict.fromkeys(keys)
        found = {key: pod for key in wanted if (pod := self._remembered(key)) is not None}
        unknown = [key for key in wanted if key not in found]
        for key, pod in zip(unknown, self._pool.map(self._ask, unknown), strict=True):
            found[key] = pod
            self._remember(key, pod)
        return found

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, key: PodKey) -> Pod | Missing:
        path = f"/api/v1/namespaces/{quote(key.namespace, safe='')}/pods/{quote(key.name, safe='')}"
        try:
            pod = orjson.loads(self._access.read(path, {}, TIMEOUT))
        except KubernetesError as error:
            if error.status == 404:
                return Missing.GONE
            refused = error.status == FORBIDDEN
            log.log(
                logging.ERROR if refused else logging.WARNING,
                "a Pod can't be looked up",
                extra={"namespace": key.namespace, "error": str(error), "cure": CURE if refused else ""},
            )
            return Missing.UNAVAILABLE
        except orjson.JSONDecodeError as error:
            log.warning("a Pod can't be read", extra={"namespace": key.namespace, "error": str(error)})
            return Missing.UNAVAILABLE
        metadata = pod.get("metadata") if isinstance(pod, dict) else None
        if not isinstance(metadata, dict):
            return Missing.UNAVAILABLE
        if key.uid and metadata.get("uid") != key.uid:
            return Missing.GONE
        metadata.pop("managedFields", None)
        return dict(pod)

    def _remembered(self, key: PodKey) -> Pod | Missing | None:
        with self._lock:
            until, pod = self._known.get(key, (0.0, None))
            return pod if until > self._clock() else None

    def _remember(self, key: PodKey, pod: Pod | Missing) -> None:
        if pod is Missing.UNAVAILABLE:
            return
        with self._lock:
            self._known[key] = (self._clock() + REMEMBER, pod)
            self._known.move_to_end(key)
            while len(self._known) > MOST_PODS:
                self._known.popitem(last=False)
