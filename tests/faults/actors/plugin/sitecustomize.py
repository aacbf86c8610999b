"""Loaded by every Python process that has this directory on its path: lets a test reach into kigeon from outside."""

import os

if "KIGEON_FAULTS" in os.environ:
    from tests.faults.actors.clock import set_wrong

    # Before anything of kigeon is there to hold on to the right one.
    set_wrong(os.environ["KIGEON_FAULTS"])

    from tests.faults.actors.injection import install

    install(os.environ["KIGEON_FAULTS"], os.environ.get("KIGEON_TUNING", "{}"))
