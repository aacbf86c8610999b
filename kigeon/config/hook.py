"""What ``config.hook`` may say, for every type of sender."""

from __future__ import annotations

from kigeon.config.validators import Section, boolean, duration, one_of, rate, some_text, whole

MOST_WORKERS = 64
"""Each is a process; a sender can't feed more than a few of them unless the script is very slow."""

HOOK = Section(
    {
        "script": some_text,
        "timeout": (duration(), 0.1),
        "onError": (one_of("use-default", "skip", "fail"), "use-default"),
        "enrichPod": (boolean, False),
        "skipOnPodNotFound": (boolean, False),
        "podLookupsPerSecond": (rate, 200.0),
        "workers": (whole(1, MOST_WORKERS), None),
    }
)
