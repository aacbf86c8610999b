"""Pods are shown to a hook for comfort's sake: whatever the API server does, most of the flow goes on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kigeon.config.settings import HookSettings, SenderSettings
from kigeon.kube.access import ClusterAccess
from kigeon.kube.pods import PodLookup
from kigeon.kube.source import ClusterSource
from kigeon.senders.assembly import HookTransform
from kigeon.senders.steps import SendWith
from kigeon.standin.apiserver import ApiServer
from tests.support.events import make_event

BATCHES = 30
BATCH = 500


def refuse(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", 403)


def fall_silent(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", "silence")


def fail(api: ApiServer) -> None:
    api.faults.always("/api/v1/namespaces/.*/pods/.*", 503)


def be_slow(api: ApiServer) -> None:
    api.faults.latency = 0.9


def go_away(api: ApiServer) -> None:
    api.stop()


def flow(transform: HookTransform, numbers: Iterator[int]) -> float:
    """Return how many events a second go through, each about another Pod."""
    batches: list[list[dict[str, Any]]] = [
        [make_event(next(numbers), f"shop-{number % 50}") for _ in range(BATCH)] for number in range(BATCHES)
    ]
    began = time.monotonic()
    for batch in batches:
        assert all(isinstance(step, SendWith) for step in transform(batch))
    return BATCHES * BATCH / (time.monotonic() - began)


def ratio(folder: Path, misbehave: Callable[[ApiServer], None]) -> float:
    """Return the flow with look-ups of Pods that *misbehave* spoils, as a part of that without any."""
    script = folder / "h.star"
    script.write_text("def transform(config, event):\n    return config\n")
    hook = HookSettings(script, enrich_pod=True)
    sender = SenderSettings("one", "stdout", hook=hook)
    numbers = count()
    with ApiServer() as api:
        pods = PodLookup(ClusterAccess(ClusterSource(api.write_kubeconfig(folder / "config"))))
        with (
            closing(HookTransform(sender, hook, None)) as bare,
            closing(HookTransform(sender, hook, pods)) as enriching,
        ):
            without = flow(bare, numbers)
            misbehave(api)
            found = flow(enriching, numbers)
            api.faults.heal()
    return found / without


def main() -> int:
    """Print each ratio; return 1 where one is below a tenth."""
    worst = 1.0
    for misbehave in (refuse, fall_silent, fail, be_slow, go_away):
        with TemporaryDirectory() as folder:
            found = ratio(Path(folder), misbehave)
        worst = min(worst, found)
        sys.stdout.write(f"{misbehave.__name__:12} {found:.2f} of the flow without look-ups\n")
    return 0 if worst > 0.1 else 1


if __name__ == "__main__":
    sys.exit(main())
