"""What ``config.hook`` may say, for every type of sender."""

from __future__ import annotations

from kigeon.config.validators import Section, boolean, duration, one_of, rate, some_text

HOOK = Section(
    {
        "script": some_text,
        "timeout": (duration(), 0.1),
        "onError": (one_of("use-default", "skip", "fail"), "use-default"),
        "enrichPod": (boolean, False),
        "skipOnPodNotFound": (boolean, False),
        "podLookupsPerSecond": (rate, 200.0),
    }
)
