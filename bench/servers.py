"""Servers for the suites, each in a process of its own."""

import subprocess
import sys


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server in a process of its own; returns the process and the first word that it prints."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[0]
