"""Hosts in network namespaces of their own, joined by a bridge; what one sends another can be let vanish.

A packet that vanishes is answered by nothing: its sender hears neither a reset nor that there is no way.
Nothing outside the namespaces is reached, and nothing outside reaches them: what a test serves on its own loopback a
host is given at the same port of its own.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.replicas.cable import Cable
from tests.support.nats import Place

T = TypeVar("T")

NOBODY = "02:00:00:00:00:00"
"""The address of no network card: what is sent to it vanishes."""

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Host(Place):
    """A network namespace, and its only card, at ``address``."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.namespace = f"kigeon-{os.getpid()}-{name}"
        self.address = f"10.83.0.{number}"
        self.card = f"02:00:00:00:53:{number:02x}"

    def enter(self) -> None:
        """Have the thread that calls this, and what it starts, be on this host from now on."""
        with Path(f"/run/netns/{self.namespace}").open() as file:
            if _libc.setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"the namespace {self.namespace} can't be entered")

    def do(self, what: Callable[[], T]) -> T:
        """Return what *what* returns on this host."""
        with ThreadPoolExecutor(1, initializer=self.enter) as thread:
            return thread.submit(what).result()

    def serve(self, port: int, stack: ExitStack) -> None:
        """Have what listens at *port* of the test's loopback listen at that of this host's, too."""
        listener = self.do(lambda: socket.create_server(("127.0.0.1", port)))
        stack.enter_context(Cable(f"tcp://127.0.0.1:{port}", listener=listener))


class Network:
    """A context manager: hosts by name, and one more, ``""``, for the test; all reach one another."""

    def __init__(self, *names: str) -> None:
        self.hosts = {name: Host(name or "test", number) for number, name in enumerate(["", *names], 1)}
        self._bridge = f"kigeon-{os.getpid()}-bridge"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if shutil.which("ip") is None:
            pytest.skip("there is no iproute2 here")
        with ExitStack() as stack:
            try:
                self._make(self._bridge, stack)
                _ip("-n", self._bridge, "link", "add", "bridge", "type", "bridge")
                _ip("-n", self._bridge, "link", "set", "bridge", "up")
                for host in self.hosts.values():
                    self._make(host.namespace, stack)
                    self._join(host)
                for one, other in permutations(self.hosts, 2):
                    self.mend(one, other)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespaces can be made here: {error.stderr.strip()}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _make(self, namespace: str, stack: ExitStack) -> None:
        _ip("netns", "add", namespace)
        stack.callback(_ip, "netns", "del", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")

    def _join(self, host: Host) -> None:
        end = f"to-{host.name}"
        card = ["name", "card", "address", host.card]
        _ip("-n", self._bridge, "link", "add", end, "type", "veth", "peer", *card, "netns", host.namespace)
        _ip("-n", self._bridge, "link", "set", end, "master", "bridge", "up")
        _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "card")
        _ip("-n", host.namespace, "link", "set", "card", "up")

    def lose(self, sender: str, receiver: str) -> None:
        """Let what *sender* sends to *receiver* vanish; not what comes back."""
        self._send_to(sender, receiver, NOBODY)

    def mend(self, sender: str, receiver: str) -> None:
        """Let it arrive."""
        self._send_to(sender, receiver, self.hosts[receiver].card)

    def part(self, some: list[str], others: list[str]) -> None:
        """Let nothing arrive that *some* and *others* send each other."""
        for one in some:
            for other in others:
                self.lose(one, other)
                self.lose(other, one)

    def join(self) -> None:
        """Let everything arrive."""
        for one, other in permutations(self.hosts, 2):
            self.mend(one, other)

    def _send_to(self, sender: str, receiver: str, card: str) -> None:
        host = self.hosts[sender]
        to = self.hosts[receiver].address
        _ip("-n", host.namespace, "neigh", "replace", to, "lladdr", card, "dev", "card", "nud", "permanent")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)
