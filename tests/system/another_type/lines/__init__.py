"""The sender type ``lines``: JSON lines in a file."""
