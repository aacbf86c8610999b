"""Which occurrences were seen: the digests, and how they are read from the streams."""
