"""Targets of a check: a Python callable, a command, a file of results, an HTTP endpoint."""
