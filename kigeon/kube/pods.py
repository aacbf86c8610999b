"""The involved Pods of events, looked up side by side and remembered for a while.

The API server is asked for comfort's sake here, and events do not wait for it for long: there are so many look-ups a
second, most of them answered from its cache; each is remembered, also that it failed. Where several fail, or are slow,
a breaker lets none through for a while. What could not be looked up is shown to the hook without its Pod.
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
"""Seconds that events wait for look-ups that are under way; what comes later is remembered for the next."""

SLOW = 0.5
"""Seconds from which on an answer, although it counts, is as bad as none for those that come after it."""

FAILURES = 3
"""Look-ups in a row that fail: no more are made for a while."""

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY = 429
MIRROR = "kubernetes.io/config.mirror"
"""On the Pod that stands for a static one: its hash, which the kubelet's events have as the Pod's uid."""

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
    """Asks for Pods, at most once in :data:`REMEMBER` seconds for each; remembers also that one is gone.

    *per_second* is how many look-ups there may be in a second.
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
        """Why the last look-up that was refused was."""

    def get_many(self, keys: Iterable[PodKey]) -> dict[PodKey, Pod | Missing]:
        """Return the Pod of each key, or why there is none; a Pod comes without its managedFields."""
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
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, key: PodKey) -> Future[None] | None:
        """Begin to look *key* up, when its turn comes; None where that is under way, or of no use now."""
        is_refused = self._refused.get(key.namespace, 0.0) > self._clock()
        if is_refused or key in self._asked or self._breaker.is_resting:
            return None
        self._pace.wait()
        with self._lock:
            self._asked[key] = self._pool.submit(self._look_up, key)
            return self._asked[key]

    def _give_up(self, keys: Iterable[PodKey]) -> None:
        """Let go of look-ups that never began: they would come too late for others as well."""
        with self._lock:
            for key in keys:
                self._asked.pop(key, None)

    def _look_up(self, key: PodKey) -> None:
        try:
            # Others may have failed since this was begun.
            if self._breaker.may_ask():
                self._remember(key, self._ask(key))
        finally:
            with self._lock:
                self._asked.pop(key, None)

    def _ask(self, key: PodKey) -> Pod | Missing:
        """Ask the API server's cache; that a Pod is gone is to be said by what its cache is made from."""
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
            raise KubernetesError("what should be a Pod is none")
        if key.uid and key.uid not in (metadata.get("uid"), mapping(metadata, "annotations").get(MIRROR)):
            return Missing.GONE
        metadata.pop("managedFields", None)
        return dict(pod)

    def _failed(self, key: PodKey, error: KubernetesError) -> None:
        """Note what a failure tells of further look-ups: of this Pod, of its namespace, of all."""
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
