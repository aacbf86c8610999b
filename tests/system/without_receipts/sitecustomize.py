"""Has every sender believe each 204 of Loki, as exporters do that put several streams into a push."""

from kigeon.senders.delivery.planner import PlainPlanner
from kigeon.senders.loki.sink import LokiSink

LokiSink.planner = lambda self, destination: PlainPlanner()  # type: ignore[assignment,method-assign,return-value]
