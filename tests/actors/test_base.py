"""What every record of an actor's process says of it; each in a process of its own, as actors are."""

import json
import subprocess
import sys
from typing import Any

import pytest

_BEGINNING = """
import logging, sys
from actors.base import CRASHED, crash
from actors.messages import ChildSpec, Ping, QueueAddress, Start, Supervise
from actors.queue import Queue
from actors.sender import Sender
from actors.supervisor import Supervisor
from actors.watcher import Watcher
from kigeon.config.settings import GlobalSettings, SenderSettings, Settings
from kigeon.observability.logs import configure

settings = Settings((SenderSettings("loki", "stdout"),), GlobalSettings("data", "info", sys.argv[1]))
queue = QueueAddress("nats://127.0.0.1:1", "")
configure("info", sys.argv[1], context={"actor": "root"})
"""


def told_by(body: str, form: str = "json", status: int = 0) -> list[str]:
    """Return the lines that a process logs in which an actor is made and does what *body* says."""
    command = [sys.executable, "-P", "-c", _BEGINNING + body, form]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return done.stderr.splitlines()


def entries(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_a_crash_before_its_start_names_the_actor_and_not_who_made_it() -> None:
    (said,) = entries(told_by("Watcher()\ncrash('no way')", status=70))
    assert (said["actor"], said["reason"], "sender" in said) == ("watcher", "no way", False)


START_SENDER = """
class Quiet(Sender):
    async def work(self):
        pass

actor = Quiet()
actor.receiveMsg_Start(Start(ChildSpec("sender/loki", "", sender=settings.senders[0]), settings, queue), None)
"""


@pytest.mark.parametrize(
    "what", ["raise ValueError('no way')", "crash('no way')", "logging.getLogger('nats').error('no way')"]
)
def test_a_thread_of_a_sender_says_whose_it_is(what: str) -> None:
    thread = (
        f"def fail():\n    {what}\nimport threading\none = threading.Thread(target=fail)\none.start()\none.join()\n"
    )
    (said,) = entries(told_by(START_SENDER + thread, status=0 if "nats" in what else 70))
    assert (said["actor"], said["sender"]) == ("sender/loki", "loki")


def test_a_handler_that_fails_says_whose_it_is() -> None:
    (said,) = entries(told_by(START_SENDER + "Quiet.report = None\nactor.receiveMessage(Ping(1), None)", status=70))
    assert (said["actor"], said["sender"], said["reason"]) == ("sender/loki", "loki", "handling Ping failed")


def test_text_says_it_too() -> None:
    (line,) = told_by(START_SENDER + "logging.getLogger('kigeon').warning('here')", "text")
    assert line.endswith("kigeon: here actor=sender/loki sender=loki")


def test_the_supervisor_says_so() -> None:
    body = "actor = Supervisor()\nactor._look = lambda: None\n"
    supervise = "actor.receiveMsg_Supervise(Supervise(settings, queue, None, ()), None)\n"
    (said,) = entries(told_by(body + supervise + "logging.getLogger('kigeon').warning('here')"))
    assert said["actor"] == "supervisor"


def test_a_process_that_answers_an_operator_says_so() -> None:
    body = """
import os, pickle, socket
import actors.operator.process as process
from actors.operator.door import Order

def fail(connection):
    raise RuntimeError("no way")

order = os.memfd_create("order")
os.write(order, pickle.dumps(Order(settings, queue, None)))
os.lseek(order, 0, os.SEEK_SET)
theirs, ours = socket.socketpair()
os.dup2(order, process.ORDER_DESCRIPTOR)
os.dup2(ours.fileno(), 0)
sys.argv[1] = str(os.getppid())
process._read = fail
process.main()
"""
    (said,) = entries(told_by(body))
    assert (said["actor"], said["message"]) == ("operator", "a request failed")
