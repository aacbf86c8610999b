"""Durable streams and records beside the events stream."""
