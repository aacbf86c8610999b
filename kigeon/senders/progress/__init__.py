"""A sender's progress, in memory and durable."""
