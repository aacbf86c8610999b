"""A sender at work."""
