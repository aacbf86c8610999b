"""The involved Pods of events, looked up in several threads and remembered for a while.

A Pod is a comfort for hooks, so events do not wait for the API server for long. The look-ups of a second are limited,
and the API server answers most of them from its cache. Each result is remembered, also a failure. When several
look-ups fail or are slow, a breaker lets none through for a while. The hook is shown an event whose Pod could not be
looked up without the Pod.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

import orjson

from kigeon.backoff import Backoff
from kigeon.errors import KubernetesError
from kigeon.events.fields import mapping, text
from kigeon.finding import Trouble
from kigeon.kube.access import ClusterAccess
from kigeon.kube.breaker import Breaker
from kigeon.kube.client import SIDE_BY_SIDE
from kigeon.kube.pace import Pace
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

REMEMBER = 30.0
REMEMBER_FAILURE = 5.0
"""Seconds for which a Pod that could not be looked up is not looked up again."""

MOST_PODS = 2048
LOOKUP_TIMEOUT = 2.0
LOOKUP_PATIENCE = 1.0
"""Seconds that events wait for look-ups under way; a Pod that comes later is remembered for the next events."""

SLOW = 0.5
"""Seconds from which on the breaker counts an answer as a failure, although the answer is used."""

FAILURES = 3
"""Failed look-ups in a row that open the breaker."""

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY = 429
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a static Pod's mirror Pod with the hash that the kubelet's events have as the Pod's uid."""

CURE = "grant get on pods (deploy/kubernetes/rbac.yaml)"


class Missing(Enum):
    """Why an event has no Pod: the API server says that the Pod is gone, or can't be asked."""

    GONE = "gone"
    UNAVAILABLE = "unavailable"


Pod = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodKey:
    """Identifies the Pod that an event is about. A Pod of the same name with another uid is another Pod."""

    namespace: str
    name: str
    uid: str = ""


def pod_key_of(event: Mapping[str, Any]) -> PodKey | None:
    """Return the key of the Pod that *event* is about; None when *event* is about another kind of object."""
    involved = mapping(event, "involvedObject")
    namespace, name = text(involved, "namespace"), text(involved, "name")
    # Nothing keeps an event's author from writing dots, which would lead to another path of the API.
    if text(involved, "kind") != "Pod" or {namespace, name} & {"", ".", ".."}:
        return None
    return PodKey(namespace, name, text(involved, "uid"))


class PodLookup:
    """Asks for each Pod at most once in :data:`REMEMBER` seconds; remembers also that a Pod is gone.

    *per_second* limits the look-ups of a second.
    """

    def __init__(
        self, access: ClusterAccess, per_second: float = 200.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._access = access
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[PodKey, tuple[float, Pod | Missing]] = OrderedDict()
        self._asked: dict[PodKey, Future[None]] = {}
        self._refused: dict[str, float] = {}
        self._pace = Pace(per_second)
        self._breaker = Breaker(FAILURES, Backoff(base=1.0, cap=30.0), clock)
        self._few = Limited(log)
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "pods")
        self.trouble: Trouble | None = None
        """Why the API server refused the last look-up that it refused."""

    def get_many(self, keys: Iterable[PodKey]) -> dict[PodKey, Pod | Missing]:
        """Return the Pod of each key, without managedFields, or why the Pod is missing."""
        wanted = list(dict.fromkeys(keys))
        found = {key: pod for key in wanted if (pod := self._remembered(key)) is not None}
        asked = {key: future for key in wanted if key not in found and (future := self._begin(key)) is not None}
        late = wait(asked.values(), LOOKUP_PATIENCE).not_done
        if late:
            self._breaker.failed(opens=True)
            self._give_up(key for key, future in asked.items() if future in late and future.cancel())
        found |= {key: pod for key in asked if (pod := self._remembered(key)) is not None}
        return {key: found.get(key, Missing.UNAVAILABLE) for key in wanted}

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, key: PodKey) -> Future[None] | None:
        """Begin to look *key* up at the allowed rate; return None where a look-up is under way, or of no use now."""
        if self._is_refused(key) or key in self._asked or self._breaker.is_resting:
            return None
        self._pace.wait()
        with self._lock:
            self._asked[key] = self._pool.submit(self._look_up, key)
            return self._asked[key]

    def _is_refused(self, key: PodKey) -> bool:
        """Return whether the Pods of the key's namespace were refused a moment ago."""
        return self._refused.get(key.namespace, 0.0) > self._clock()

    def _give_up(self, keys: Iterable[PodKey]) -> None:
        """Drop look-ups that never began, since their Pods would come too late for other events as well."""
        with self._lock:
            for key in keys:
                self._asked.pop(key, None)

    def _look_up(self, key: PodKey) -> None:
        try:
            # Other look-ups may have been refused or have failed since this one was begun.
            if not self._is_refused(key) and self._breaker.may_ask():
                self._remember(key, self._ask(key))
        finally:
            with self._lock:
                self._asked.pop(key, None)

    def _ask(self, key: PodKey) -> Pod | Missing:
        """Ask the API server's cache for a Pod, and etcd where the cache has none: the cache may lag behind."""
        began = time.monotonic()
        try:
            found = self._get(key, {"resourceVersion": "0"})
            if found is Missing.GONE:
                began += self._pace.wait()
                found = self._get(key, {})
        except KubernetesError as error:
            self._failed(key, error)
            return Missing.UNAVAILABLE
        if time.monotonic() - began < SLOW:
            self._breaker.succeeded()
        else:
            self._breaker.failed()
        return found

    def _get(self, key: PodKey, query: Mapping[str, str]) -> Pod | Missing:
        path = f"/api/v1/namespaces/{quote(key.namespace, safe='')}/pods/{quote(key.name, safe='')}"
        try:
            pod = orjson.loads(self._access.ask(path, query, LOOKUP_TIMEOUT))
        except KubernetesError as error:
            if error.status == NOT_FOUND:
                return Missing.GONE
            raise
        except orjson.JSONDecodeError as error:
            raise KubernetesError(f"a Pod can't be read: {error}") from error
        metadata = pod.get("metadata") if isinstance(pod, dict) else None
        if not isinstance(metadata, dict):
            raise KubernetesError("the API server's answer is not a Pod")
        if key.uid and key.uid not in (metadata.get("uid"), mapping(metadata, "annotations").get(MIRROR)):
            return Missing.GONE
        metadata.pop("managedFields", None)
        return dict(pod)

    def _failed(self, key: PodKey, error: KubernetesError) -> None:
        """Note a failed look-up, which may speak of this Pod, of its namespace, or of the API server as a whole."""
        if error.status == FORBIDDEN:
            self.trouble = Trouble("Pods can't be looked up", str(error), CURE, time.monotonic())
            now = self._clock()
            is_known = self._refused.get(key.namespace, 0.0) > now
            if len(self._refused) >= MOST_PODS:
                self._refused.clear()
            self._refused[key.namespace] = now + REMEMBER
            if is_known:
                return
        is_answer = NOT_FOUND <= error.status < TOO_MANY or error.status == BAD_REQUEST
        if not is_answer:
            self._breaker.failed(error.retry_after)
        self._few.log(
            logging.ERROR if error.status == FORBIDDEN else logging.WARNING,
            "a Pod can't be looked up",
            extra={
                "namespace": key.namespace,
                "error": str(error),
                "cure": CURE if error.status == FORBIDDEN else "",
            },
        )

    def _remembered(self, key: PodKey) -> Pod | Missing | None:
        with self._lock:
            until, pod = self._known.get(key, (0.0, None))
            return pod if until > self._clock() else None

    def _remember(self, key: PodKey, pod: Pod | Missing) -> None:
        seconds = REMEMBER_FAILURE if pod is Missing.UNAVAILABLE else REMEMBER
        with self._lock:
            self._known[key] = (self._clock() + seconds, pod)
            self._known.move_to_end(key)
            while len(self._known) > MOST_PODS:
                self._known.popitem(last=False)
