"""Decides which of a sender's events are pushed, where and when."""
