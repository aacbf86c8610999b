"""Answers of Loki and of an API server, damaged: a push has a verdict, a request has a body or an error."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from kigeon.errors import KubernetesError
from kigeon.kube.access import ClusterAccess
from kigeon.kube.event_pages import parse_event_page
from kigeon.kube.reflector import Reflector
from kigeon.kube.source import ClusterSource
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.answers import answer_of
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from tests.fuzz.account import Account
from tests.fuzz.lines import LineMaker
from tests.fuzz.mutate import Mutator
from tests.fuzz.server import Server, chunk, head, whole
from tests.support.events import make_event

STATUSES = (
    *(200, 204, 206, 260, 299, 301, 302, 307, 308, 304, 400, 401, 403, 404, 408, 413, 418, 429, 499, 500, 502, 503),
    *(504, 599, 600, 999),
)
RETRY_AFTER = (
    *("0", "1", "-1", "1.5", "1e9", "9" * 30, "9" * 5000, "\u00b2", "", " ", ",", "soon", "Infinity", "0x10", "1, 2"),
    *("Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 1915 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 +99999999999999999"),
    *("Wed, 21 Oct 99999999999 07:28:00 GMT", "Wed, 99 Foo 2099 99:99:99 GMT", "21 Oct 2099", "0" * 400, "-0"),
)
OTHERS = (
    *(("Content-Encoding", value) for value in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "x", "identity")),
    *(("Location", value) for value in ("/", "http://[", "//", "ftp://x", "http://loki:99999", "\u00ff\u00fe", "")),
    *(("Set-Cookie", value) for value in ("a=b", "a=b; Max-Age=x", "a=b; Expires=yesterday", "=", "a=b; Domain=.")),
    *(("Content-Type", value) for value in ("text/html; charset=x", "\u00ff", "application/json; charset=utf-16")),
    *(("Transfer-Encoding", value) for value in ("chunked, chunked", "gzip", "x")),
    *(("Content-Length", value) for value in ("-1", "x", "1, 2", "99999999999999999999", "0")),
    *(("Connection", "keep-alive, x"), ("X" * 70_000, "y"), ("X", "y" * 70_000), ("", "empty")),
)


class Misbehaving:
    """A server's side; ``status`` is what it said last, 0 where its head may be damaged."""

    def __init__(self, random: Random, statuses: Sequence[int]) -> None:
        self._random = random
        self._statuses = statuses
        self._mutator = Mutator(random)
        self._maker = LineMaker(random)
        self.status = 0
        self.retry_after = ""

    def answer(self, path: str, query: dict[str, str]) -> Iterator[bytes]:
        """Answer with something."""
        body = self._body()
        self.status, self.retry_after = self._random.choice(self._statuses), self._random.choice(RETRY_AFTER)
        headers = {"Retry_After": self.retry_after} if self._random.random() < 0.5 else {}
        said = whole(body, f"{self.status} Told", **headers)
        chance = self._random.random()
        if chance < 0.3:
            name, value = self._random.choice(OTHERS)
            said = said.replace(b"\r\n", f"\r\n{name}: {value}\r\n".encode("latin-1", "replace"), 1)
            self.status = 0
        elif chance < 0.5:
            said = head(f"{self.status} Told", Transfer_Encoding="chunked") + self._mutator.damaged(chunk(body), 1)
            self.status = 0
        elif chance < 0.8:
            said = self._mutator.damaged(said)
            self.status = 0
        return iter([said])

    def _body(self) -> bytes:
        chance = self._random.random()
        if chance < 0.2:
            return b""
        if chance < 0.4:
            return self._random.randbytes(self._random.randrange(9000))
        items = b",".join(self._maker.item() for _ in range(self._random.randrange(5)))
        page = b'{"metadata":{"resourceVersion":"7","continue":""},"items":[%s]}' % items
        return page if chance < 0.7 else self._mutator.damaged(page)


def loki(seed: int, count: int) -> Account:
    """Push *count* times to what is no Loki."""
    answering = Misbehaving(Random(seed), STATUSES)
    account = Account({"pushes answered": count, **{verdict.name: 0 for verdict in PushStatus}})
    with Server(answering.answer) as server:
        sink = LokiSink(LokiSettings(server.url))
        entry = sink.entry(make_event(1), None)
        for _ in range(count):
            try:
                answer = sink.push(entry.destination, [entry])
            except Exception as error:  # noqa: BLE001 - that it raises nothing is what is looked at
                account.wrong.append(f"{error!r}"[:2000])
                continue
            account.figures[answer.status.name] += 1
            _check(account, answering.status, answer)
        sink.close()
    return account


def _check(account: Account, status: int, answer: Answer) -> None:
    if status and answer.status is not answer_of(status, b"").status:
        account.wrong.append(f"{status} was taken for {answer}")
    if len(answer.reason) > 1000 or (answer.retry_after is not None and not answer.retry_after >= 0):
        account.wrong.append(f"a reason or a time that can't be: {answer}"[:2000])


def cluster(seed: int, count: int) -> Account:
    """Read *count* pages from what is no API server; what the reflector is told of it is a next step in any case."""
    answering = Misbehaving(Random(seed), (*STATUSES, *[200] * 40))
    account = Account({"lists answered": count, "pages": 0, "items": 0, "errors": 0})
    reflector = Reflector("7")
    with Server(answering.answer) as server, tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        access = ClusterAccess(ClusterSource(server.write_kubeconfig(Path(folder) / "config")))
        for _ in range(count):
            try:
                page = parse_event_page(access.read("/api/v1/events", {}))
                account.figures["pages"] += 1
                account.figures["items"] += len(page.items) + page.unreadable
                reflector.page(page.resource_version, page.continue_token)
            except KubernetesError as error:
                account.figures["errors"] += 1
                reflector.failed(error)
            except Exception as error:  # noqa: BLE001
                account.wrong.append(f"{error!r}"[:2000])
            step = reflector.next()
            if not 0 <= step.delay <= 400:
                account.wrong.append(f"what is next can't be: {step}")
    return account
