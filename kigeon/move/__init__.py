"""Moves a whole queue between a data directory and an external JetStream, for ``kigeon move``."""
