"""Hooks: Starlark scripts that decide for each event where it goes, in a child process under limits."""
