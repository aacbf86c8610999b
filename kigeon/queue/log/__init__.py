"""The events stream as a log: who writes it, where it ends, who reads it."""
