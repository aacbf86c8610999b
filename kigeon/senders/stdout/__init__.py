"""The sender type that writes to standard output."""
