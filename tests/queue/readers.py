"""Counts who reads a stream."""

from nats.aio.client import Client

from tests.support.names import EVENTS


async def readers(client: Client) -> int:
    """Return how many consumers the events stream has."""
    return (await client.jetstream().stream_info(EVENTS)).state.consumer_count
