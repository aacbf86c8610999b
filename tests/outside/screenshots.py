"""Pictures of the status page for the documents: ``python -m tests.outside.screenshots``."""

from __future__ import annotations

import random
import tempfile
import time
from itertools import count
from pathlib import Path

from kigeon.standin.apiserver import ApiServer
from tests.outside.browser import DESKTOP, PHONE, Browser
from tests.support.events import make_event
from tests.support.http import LISTEN, address, get
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = {"status-light": (DESKTOP, "light"), "status-dark": (DESKTOP, "dark"), "status-phone": (PHONE, "light")}


def main() -> None:
    """Run kigeon with two destinations, one of which refuses, and save how its page looks."""
    with tempfile.TemporaryDirectory() as name, ApiServer() as api, Loki() as loki, Loki() as refusing:
        refusing.always = lambda tenant: 401
        numbers = count(2000)
        senders = [loki_sender(loki), loki_sender(refusing, "archive")]
        with Kigeon(Path(name) / "kigeon", api, senders, http=LISTEN) as kigeon:
            api.put_events([make_event(number) for number in range(1234)])
            loki.wait_for(1234)
            wait_until(lambda: get(kigeon, "/readyz")[0] == 200, what="a kigeon that is ready")
            for picture, (size, scheme) in PICTURES.items():
                with Browser(f"http://{address(kigeon)}/", size, scheme) as browser:
                    browser.wait_for("takes nothing", "#problems")
                    for _ in range(300):
                        api.put_events([make_event(next(numbers)) for _ in range(random.randint(0, 40))])
                        time.sleep(0.1)
                    browser.save(DOCS / f"{picture}.png")


if __name__ == "__main__":
    main()
