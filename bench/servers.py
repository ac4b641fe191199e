"""Servers that the suites talk to, each in a process of its own."""

import subprocess
import sys


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and the first word that it prints."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[0]
