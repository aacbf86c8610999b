"""The events stream as a log: its writer, its end, its readers."""
