"""Serves metrics, health and the status page by HTTP, from a process of their own.

The process knows only what the root tells it. It also answers while nats-server starts and while the actor system is
built again, and no event ever waits for it.
"""
