"""Builds the parts of a Sender from its configuration: sink, namespace filter, hook."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kigeon.config.settings import FilterSettings, HookSettings, SenderSettings, Settings
from kigeon.errors import HookError, HookUnavailable
from kigeon.events.fields import namespace_of
from kigeon.finding import Trouble
from kigeon.hooks.cache import ConfigCache
from kigeon.hooks.pool import HookPool
from kigeon.hooks.results import Failed, Skipped, Transformed
from kigeon.hooks.watch import ScriptWatch, WatchThread
from kigeon.kube.access import ClusterAccess
from kigeon.kube.namespaces import NamespaceFilter, Namespaces
from kigeon.kube.pods import Missing, PodLookup, pod_key_of
from kigeon.kube.source import ClusterSource
from kigeon.observability.histogram import HOOK_SECONDS, Histogram
from kigeon.queue.broker.stream_configs import digest_ttl_of
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.registry import TYPES
from kigeon.senders.steps import Deferred, Event, Final, Preparer, SendWith
from kigeon.throttle import Limited

log = logging.getLogger(__name__)

HOOK_CURE = "correct the script: `kigeon hook test` shows what it does"


def sink_of(sender: SenderSettings) -> Sink:
    """Return the sink of a sender's type."""
    return TYPES[sender.type].sink(sender.settings)


@dataclass(frozen=True, slots=True)
class Script:
    """The text that a hook begins with (None: its file's); *took* is called with each text that comes into use."""

    source: str | None = None
    took: Callable[[str], None] = lambda source: None


def namespaces_of(
    sender: SenderSettings, settings: Settings, cluster: ClusterSource | None, record: bytes | None = None
) -> Namespaces | None:
    """Return the started watch of namespaces for a sender's filter; None where the filter needs no labels.

    *record* holds the labels that were known in an earlier run.
    """
    if sender.filter is None or not sender.filter.match_labels or cluster is None:
        return None
    # An event may arrive late and wait for a long time.
    keep_deleted = settings.queue.events_max_age + digest_ttl_of(settings.queue)
    namespaces = Namespaces(ClusterAccess(cluster), keep_deleted, sender.filter.hard_refresh_interval)
    namespaces.recall(record)
    namespaces.start()
    return namespaces


def preparer_of(
    sender: SenderSettings,
    settings: Settings,
    cluster: ClusterSource | None,
    sink: Sink,
    namespaces: Namespaces | None = None,
    script: Script = Script(),
) -> Preparer:
    """Return a sender's preparer, with its hook's first worker started; its filter uses *namespaces*, or its own watch.

    Raises :class:`~kigeon.errors.HookLoadError` when the script can't be loaded.
    """
    passes = None
    transform: HookTransform | None = None
    if sender.filter is not None:
        passes = NamespaceMatcher(sender.filter, namespaces or namespaces_of(sender, settings, cluster))
    if sender.hook is not None:
        pods = None
        if cluster is not None and sender.hook.enrich_pod:
            pods = PodLookup(ClusterAccess(cluster), sender.hook.pod_lookups_per_second)
        transform = HookTransform(sender, sender.hook, pods, script)
    if transform is None:
        return Preparer(sink, passes)
    return Preparer(sink, passes, transform, transform.report, transform.close)


class NamespaceMatcher:
    """The namespace filter, with look-ups of namespaces that are not known yet."""

    def __init__(self, settings: FilterSettings, namespaces: Namespaces | None) -> None:
        self._namespaces = namespaces
        self._filter = NamespaceFilter(settings, self._labels)

    def __call__(self, events: Sequence[Event]) -> list[bool | None]:
        """Judge *events*: one whose namespace can't be looked up now gets None, and does not hold up the others."""
        decisions = [self._filter.passes(event) for event in events]
        unknown = {index: namespace_of(event) or "" for index, event in enumerate(events) if decisions[index] is None}
        if unknown and self._namespaces is not None:
            known = self._namespaces.look_up(unknown.values())
            for index, name in unknown.items():
                decisions[index] = self._filter.matches(known[name]) if name in known else None
        return decisions

    def _labels(self, name: str) -> Mapping[str, str] | None:
        return self._namespaces.labels(name) if self._namespaces is not None else {}


class HookTransform:
    """The hook of a sender: looks up Pods, runs the script, and does with its errors what onError says."""

    def __init__(
        self, sender: SenderSettings, hook: HookSettings, pods: PodLookup | None, script: Script = Script()
    ) -> None:
        self._hook = hook
        self._pods = pods
        self._log = Limited(log)
        self._pool = HookPool(hook, sender.config)
        self._pool.start(script.source)
        self._took = script.took
        self._took(self._pool.source)
        self._watch = WatchThread(ScriptWatch(hook, self._pool.source), self._changed)
        self._configs = ConfigCache(TYPES[sender.type].config)
        self._seconds = Histogram(HOOK_SECONDS)
        self._trouble: Trouble | None = None

    def report(self) -> Mapping[str, Any]:
        """Return times and counts of the hook since the sender's process began, as plain data."""
        return {
            "hookPids": self._pool.pids,
            "hookSeconds": self._seconds.report(),
            "hookKills": self._pool.kills,
            "hookRespawns": self._pool.respawns,
            "troubles": [asdict(trouble) for trouble in self._troubles()],
        }

    def _troubles(self) -> Iterator[Trouble]:
        if self._trouble is not None:
            yield self._trouble
        if self._pods is not None and self._pods.trouble is not None:
            yield self._pods.trouble

    def close(self) -> None:
        """End the workers, the look-ups and the watch of the script."""
        self._watch.close()
        self._pool.close()
        if self._pods is not None:
            self._pods.close()

    def _changed(self, source: str) -> None:
        self._pool.replace(source)
        self._took(source)

    def __call__(self, events: Sequence[Event]) -> list[SendWith | Final | Deferred]:
        """Run the hook on *events*."""
        steps: list[SendWith | Final | Deferred | None] = [None] * len(events)
        shown = self._enrich(events, steps)
        before = self._pool.seconds
        results = self._pool.transform(list(shown.values()))
        if shown:
            # The events go to the hook together: each counts with the mean time.
            self._seconds.observe((self._pool.seconds - before) / len(shown), len(shown))
        for index, result in zip(shown, results, strict=True):
            try:
                steps[index] = self._step(result)
            except HookError as error:
                steps[index] = self._on_error(error, events[index])
        return [step for step in steps if step is not None]

    def _enrich(self, events: Sequence[Event], steps: list[Any]) -> dict[int, Event]:
        """Return the events that the hook sees, by index; an event whose Pod is gone may end here."""
        if self._pods is None:
            return dict(enumerate(events))
        keys = {index: key for index, event in enumerate(events) if (key := pod_key_of(event)) is not None}
        pods = self._pods.get_many(keys.values())
        shown: dict[int, Event] = {}
        for index, event in enumerate(events):
            pod = pods[keys[index]] if index in keys else Missing.UNAVAILABLE
            if pod is Missing.GONE and self._hook.skip_on_pod_not_found:
                steps[index] = Final(Outcome.SKIPPED, "its Pod is gone")
            else:
                shown[index] = event if isinstance(pod, Missing) else {**event, "pod": pod}
        return shown

    def _step(self, result: Transformed | Skipped | Failed) -> SendWith | Final | Deferred:
        if isinstance(result, Transformed):
            return SendWith(None if result.config is None else self._configs.settings_of(result.config))
        if isinstance(result, Skipped):
            return Final(Outcome.SKIPPED, "the hook returned None")
        raise result.error

    def _on_error(self, error: HookError, event: Event) -> SendWith | Final | Deferred:
        if isinstance(error, HookUnavailable):
            return Deferred(str(error))
        metadata = event.get("metadata")
        uid = metadata.get("uid") if isinstance(metadata, dict) else None
        extra = {
            "uid": uid,
            "error": str(error),
            "kind": type(error).__name__,
            "onError": self._hook.on_error,
            "cure": HOOK_CURE,
        }
        self._trouble = Trouble("the hook fails", str(error), HOOK_CURE, time.monotonic())
        self._log.warning("the hook failed", extra=extra)
        if self._hook.on_error == "use-default":
            return SendWith(None)
        if self._hook.on_error == "skip":
            return Final(Outcome.SKIPPED, str(error))
        return Deferred(str(error))
