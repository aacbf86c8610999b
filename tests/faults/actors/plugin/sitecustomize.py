"""Loaded by every Python process that has this directory on its path: lets a test reach into kigeon from outside."""

import os

if "KIGEON_FAULTS" in os.environ:
    from tests.faults.actors.injection import install

    install(os.environ["KIGEON_FAULTS"], os.environ.get("KIGEON_TUNING", "{}"))
