"""Has every sender believe each 204 of Loki, as exporters do that put several streams into a push."""

from kigeon.senders.courier import PlainCourier
from kigeon.senders.loki.sink import LokiSink

LokiSink.courier = lambda self, destination: PlainCourier()  # type: ignore[assignment,method-assign,return-value]
