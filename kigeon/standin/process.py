"""The stand-in API server as a process: ``python -m kigeon.standin.process --kubeconfig FILE --events N --rate R``.

The process writes the kubeconfig, prints a line of JSON when it listens and another when every event was told, and
serves until its standard input is closed, so that it does not outlive its parent.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kigeon.events.occurrence import identity_of
from kigeon.standin.apiserver import ApiServer
from kigeon.standin.story import NAMESPACES, STORY_INTERVAL, Storyteller

BACKLOG = timedelta(minutes=50)
"""The longest that a backlog reaches back: Events live for an hour."""


def main() -> None:
    """Serve a story."""
    parser = argparse.ArgumentParser(description="a stand-in API server that tells lifelike Events")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="where to write the kubeconfig")
    parser.add_argument("--events", type=int, default=200, help="how many events to tell")
    parser.add_argument("--rate", type=float, default=20.0, help="events a second; 0: all at once")
    parser.add_argument("--seed", type=int, default=0, help="which story")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    over = threading.Event()
    with ApiServer() as server:
        for name, labels in NAMESPACES.items():
            server.put_namespace(name, labels)
        server.write_kubeconfig(arguments.kubeconfig)
        _say({"url": server.url})
        told = (server, arguments.events, arguments.rate, arguments.seed, over)
        threading.Thread(target=_tell, args=told, daemon=True).start()
        sys.stdin.buffer.read()
        over.set()


def _tell(server: ApiServer, events: int, rate: float, seed: int, over: threading.Event) -> None:
    """Tell a story as it happens, once a client watches.

    At rate 0 the story is a backlog that ends now, with the last state of each object.
    """
    if not rate:
        tick = min(STORY_INTERVAL, BACKLOG / max(events, 1))
        story = itertools.islice(Storyteller(seed, datetime.now(UTC) - tick * events, tick).tell(), events)
        told = {event["metadata"]["name"]: event for event in story}
        server.put_events(told.values())
        _say({"told": events, "occurrences": len(told)})
        return
    server.wait_for_watches(1, timeout=60.0)
    occurrences = set()
    tick = timedelta(seconds=1 / rate)
    for event in itertools.islice(Storyteller(seed, datetime.now(UTC) - tick, tick).tell(), events):
        server.put_events([event])
        occurrences.add(identity_of(event))
        if over.wait(1 / rate):
            return
    _say({"told": events, "occurrences": len(occurrences)})


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
