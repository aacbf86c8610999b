"""The memory of occurrences that were seen: their digests, and how the streams restore them."""
