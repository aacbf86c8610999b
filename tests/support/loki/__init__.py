"""A stand-in for Loki: it answers a push as Loki does, holds what it took, and misbehaves when it is told to.

Its distributor's answers speak for the whole push, its ingester's for the last stream of it alone, as Loki's do.
"""

from tests.support.loki.limits import Limits
from tests.support.loki.lines import Line, Push
from tests.support.loki.server import Loki

__all__ = ["Limits", "Line", "Loki", "Push"]
