"""Everything fails at random while events flow: ``python -m tests.chaos [--minutes N] [--seed S]``.

kigeon runs as a user runs it, with two senders and a hook that has two destinations, before Lokis that answer for the
last stream of a push alone, and whose limits are lowered and lifted. Strikes come at random, several at
a time. At the end everything is mended, what Loki refused meanwhile is replayed, and every event has to be held exactly
once by each sender's Loki; the accounts have to be exact, an audit has to find nothing, and nothing may be parked,
skipped, filtered or evicted. It prints its seed; the same seed strikes in the same order.

The Lokis of one run are either strict (a tenant may have few streams, and lines come hours behind theirs) or forgetful
(they forget what streams they have), never both. What went to a stream that is forgotten, and that has no room any
more, is sent again only if a proof shows that before there is room. And of what a Loki took before it forgot the
stream some may be too late when it is repeated after a crash: it is held twice then.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from kigeon.standin.apiserver import ApiServer
from tests.support.events import arrived, make_event, occurrence_of
from tests.support.http import LISTEN, outcomes, settled, told_by_audit, told_by_metrics, told_by_status
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import descendants, title, wait_until

HOOK = """
def transform(config, event):
    config["tenantID"] = "even" if int(event["source"]["host"][5:]) % 2 == 0 else "odd"
    return config
"""


NODES, NAMESPACES = 7, 12


class Chaos:
    """One run."""

    def __init__(self, seed: int, folder: Path, api: ApiServer, plain: Loki, routed: Loki) -> None:
        self.random = Random(seed)
        self.is_strict = self.random.random() < 0.5
        self.api, self.plain, self.routed = api, plain, routed
        (folder / "hook.star").write_text(HOOK)
        hook = {"script": "../hook.star", "onError": "fail"}
        senders = [loki_sender(plain, "plain"), loki_sender(routed, "routed", hook=hook)]
        self.kigeon = Kigeon(folder / "kigeon", api, senders, http=LISTEN)
        self.events: list[dict[str, Any]] = []
        self.mending: list[Callable[[], None]] = []
        self.strikes = 0

    def begin(self) -> None:
        """Have an event of each node and namespace arrive: from then on what is hours old is late in its stream."""
        self._happen([self._event(number) for number in range(NODES * NAMESPACES)])
        for loki in (self.plain, self.routed):
            loki.wait_for(len(self.events), timeout=60)

    def tell(self) -> None:
        """Have some more events happen; now and then one that is there already happens again."""
        number = len(self.events)
        numbers = range(number, number + self.random.choice((1, 5, 50)))
        fresh = [self._event(each) for each in numbers]
        if number and self.random.random() < 0.3:
            older = self.random.choice(self.events)
            fresh.append({**older, "count": older["count"] + 1, "lastTimestamp": fresh[0]["lastTimestamp"]})
        self._happen(fresh)

    def _happen(self, events: list[dict[str, Any]]) -> None:
        self.events += events
        self.api.put_events(events)

    @staticmethod
    def _event(number: int, **fields: Any) -> dict[str, Any]:
        return make_event(number, f"team-{number % NAMESPACES}", **fields)

    def strike(self) -> None:
        """Do some harm."""
        self.strikes += 1
        harm = self.random.choice(
            [
                *(self.kill_process, self.kill_process, self.kill_tree, self.stop_process, self.kill_root),
                *(self.loki_fails, self.loki_cuts, self.loki_hangs, self.tenant_fails, self.api_fails),
                *(self.watch_ends, self.restart, self.garbage, self.loki_refuses, self.etcd_is_restored),
                *(self.api_hangs, self.an_operator_asks, self.loki_is_slow),
                *((self.loki_has_no_room, self.lines_are_late) if self.is_strict else (self.loki_forgets,)),
            ]
        )
        sys.stdout.write(f"{time.strftime('%X')} {harm.__name__}\n")
        sys.stdout.flush()
        harm()

    def mend(self) -> None:
        """Undo all the harm that does not mend itself."""
        while self.mending:
            self.mending.pop()()

    def kill_process(self) -> None:
        below = descendants(self.kigeon.pid)
        if below:
            victim = self.random.choice(below)
            sys.stdout.write(f"         {title(victim)[-60:]}\n")
            _send(victim, self.random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)))

    def stop_process(self) -> None:
        below = descendants(self.kigeon.pid)
        if below:
            victim = self.random.choice(below)
            _send(victim, signal.SIGSTOP)
            self.mending.append(lambda: _send(victim, signal.SIGCONT))

    def kill_tree(self) -> None:
        self.kigeon.kill_tree()
        self.kigeon.start()

    def kill_root(self) -> None:
        self.mend()
        self.kigeon.kill_root()
        self.kigeon.start()

    def restart(self) -> None:
        self.mend()
        # Python itself, while it loads, ends on a signal as any program does.
        wait_until(lambda: descendants(self.kigeon.pid))
        status = self.kigeon.stop(timeout=30)
        assert status == 0, f"it ended with {status}"
        self.kigeon.start()

    def loki_fails(self) -> None:
        loki, status = self._loki(), self.random.choice((429, 500, 503, 401, 260))
        loki.answer_next(self.random.randrange(1, 6), status, "chaos")

    def loki_cuts(self) -> None:
        loki = self._loki()
        loki.cut_before, loki.cut_after = self.random.randrange(3), self.random.randrange(3)

    def loki_hangs(self) -> None:
        loki = self._loki()
        loki.answering.clear()
        self.mending.append(loki.answering.set)

    def tenant_fails(self) -> None:
        self.routed.always = lambda tenant: 503 if tenant == "even" else 0
        self.mending.append(lambda: setattr(self.routed, "always", lambda tenant: 0))

    def api_fails(self) -> None:
        self.api.faults.fail_next(self.random.randrange(1, 5), self.random.choice((500, 503, 429, 401)), retry_after=1)

    def watch_ends(self) -> None:
        if self.random.random() < 0.5:
            self.api.store.expire_history()
        self.api.faults.end_watches(self.random.choice(("close", "drop", "expire")))

    def garbage(self) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.api.faults.inject(self.random.choice((b"{", b'{"type":"ADDED","object":7}', b"\xff\xfe", b"null")))

    def loki_refuses(self) -> None:
        loki, host = self._loki(), f"node-{self.random.randrange(7)}"
        loki.refuse = lambda line: line.fields.get("sourceHost") == host
        self.mending.append(lambda: setattr(loki, "refuse", lambda line: False))

    def loki_has_no_room(self) -> None:
        loki = self._loki()
        loki.limits.max_streams = self.random.randrange(1, 10)
        self.mending.append(lambda: setattr(loki.limits, "max_streams", math.inf))

    def loki_is_slow(self) -> None:
        limits = self._loki().limits
        limits.stream_rate = self.random.choice((50e3, 100e3))
        limits.stream_burst = 2 * limits.stream_rate
        self.mending.append(lambda: setattr(limits, "stream_rate", math.inf))

    def loki_forgets(self) -> None:
        """Its ingesters know their streams no more, as after a flush; what they hold they keep."""
        self._loki().restart()

    def lines_are_late(self) -> None:
        hours_ago = datetime.now(UTC) - timedelta(hours=self.random.uniform(2, 5))
        at, number = hours_ago.strftime("%Y-%m-%dT%H:%M:%SZ"), len(self.events)
        late = range(number, number + self.random.randrange(1, 30))
        self._happen([self._event(each, lastTimestamp=at) for each in late])

    def etcd_is_restored(self) -> None:
        self.api.restore_etcd(self.random.randrange(1, 50))

    def api_hangs(self) -> None:
        self.api.hang()
        self.mending.append(self.api.resume)

    def an_operator_asks(self) -> None:
        """Whatever the answer is: it must do no harm to be asked."""
        question = self.random.choice((["status"], ["dead-letter", "replay", "--all"], ["audit"]))
        command = [sys.executable, "-P", "-m", "kigeon", *question, "--config", str(self.kigeon.config)]
        asking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.mending.append(lambda: _end(asking))

    def _loki(self) -> Loki:
        return self.random.choice((self.plain, self.routed))

    def verdict(self) -> list[str]:
        """Return what is wrong in the end."""
        self.mend()
        # What was to go wrong with the next requests would go wrong with the verdict's own.
        self.api.faults.heal()
        # An object that was updated twice between two lists is listed once: only the last state is sure to be seen.
        last = {event["metadata"]["uid"]: event for event in self.events}
        wanted, possible = ({occurrence_of(event) for event in events} for events in (last.values(), self.events))
        wrong = self._replay()
        for name, loki in (("plain", self.plain), ("routed", self.routed)):
            try:
                loki.wait_for(lambda lines: wanted <= arrived(lines).keys(), timeout=120)
            except TimeoutError:
                wrong.append(f"{name}: {len(wanted - arrived(loki.lines).keys())} events are missing")
            found = arrived(loki.lines)
            wrong += [f"{name}: {key} arrived {times} times" for key, times in found.items() if times > 1]
            wrong += [f"{name}: {key} was never sent" for key in found.keys() - possible]
            wrong += [f"{name}: a malformed push, {push}" for push in loki.malformed]
            wrong += self._books(name, len(found))
        audit = self.kigeon.ask("audit", "--loki")
        wrong += (
            [f"the audit says {audit['loki']}"]
            if any(set(found) != {"once"} for found in audit["loki"].values())
            else []
        )
        return [*wrong, *self._figures()]

    def _figures(self) -> list[str]:
        """Return where the metrics, the status and the audit differ; the audit knows the last state of each object."""
        try:
            status = settled(self.kigeon)
        except TimeoutError:
            return [f"the metrics say {told_by_metrics(self.kigeon)}, the status {told_by_status(self.kigeon)}"]
        listed, audited = self.kigeon.ask("audit")["listed"], told_by_audit(self.kigeon)
        earlier = status["watcher"]["stored"] - listed
        for counts in audited.values():
            counts["sent"] += earlier
        return [] if audited == outcomes(status) else [f"the audit says {audited}, the status {status}"]

    def _replay(self) -> list[str]:
        """Have what was refused sent again, until nothing of it is left."""

        def is_empty() -> bool:
            waiting = any(sender["waiting"] for sender in self.kigeon.ask("status")["senders"].values())
            letters = self.kigeon.ask("dead-letter", "list")["deadLetters"]
            if letters:
                self.kigeon.ask("dead-letter", "replay", "--all")
            return not (waiting or letters)

        try:
            wait_until(is_empty, timeout=180)
        except TimeoutError:
            return [f"events still wait: {self.kigeon.ask('status')}"]
        return []

    def _books(self, name: str, held: int) -> list[str]:
        status = self.kigeon.ask("status")
        watcher, books = status["watcher"], status["senders"][name]
        wrong = [] if books["sent"] == held else [f"{name}: {held} are held"]
        wrong += [] if watcher["stored"] == books["stored"] else [f"{name}: another number of events was stored"]
        ends = ("filtered", "skipped", "parked", "evicted", "waiting", "unaccounted")
        wrong += [f"{name}: {books[end]} {end}" for end in ends if books[end]]
        return [*wrong, f"the books say {status}"] if wrong else []


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def run(seed: int, minutes: float) -> list[str]:
    """Run for some minutes; return what is wrong in the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        api, plain, routed = (stack.enter_context(server) for server in (ApiServer(), Loki(), Loki()))
        chaos = Chaos(seed, folder, api, plain, routed)  # type: ignore[arg-type]
        sys.stdout.write(f"seed {seed}, {minutes:g} minutes, {'strict' if chaos.is_strict else 'forgetful'} Lokis\n")
        stack.enter_context(chaos.kigeon)
        chaos.begin()
        deadline = time.monotonic() + minutes * 60
        next_strike = time.monotonic() + 3.0
        while time.monotonic() < deadline:
            chaos.tell()
            time.sleep(0.05)
            if time.monotonic() >= next_strike:
                for _ in range(chaos.random.choice((1, 1, 2, 3))):
                    chaos.strike()
                next_strike = time.monotonic() + chaos.random.uniform(1.0, 8.0)
                if chaos.random.random() < 0.4:
                    chaos.mend()
        wrong = chaos.verdict()
        if wrong:
            kept = Path(tempfile.gettempdir()) / f"kigeon-chaos-{seed}.log"
            kept.write_bytes(chaos.kigeon.log_path.read_bytes())
            wrong.append(f"the log is kept in {kept}")
        sys.stdout.write(f"seed {seed}: {len(chaos.events)} events, {chaos.strikes} strikes\n")
        return wrong


def main() -> int:
    """Run once; the exit status is 0 when every event is accounted for."""
    parser = argparse.ArgumentParser(description="strike at random while events flow, and count at the end")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    arguments = parser.parse_args()
    wrong = run(arguments.seed, arguments.minutes)
    sys.stdout.write("\n".join(wrong or ["nothing lost, nothing double"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
