"""Whom a check asks: a Python callable, a command, a file of answers, an HTTP endpoint."""
