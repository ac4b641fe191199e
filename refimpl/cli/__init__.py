"""`refimpl`: thin commands over the library, one file a group of commands, no logic."""

from refimpl.cli.main import main

__all__ = ["main"]
