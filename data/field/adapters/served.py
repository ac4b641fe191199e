"""`refimpl serve` with the golden cross-encoder, for the clients beside it: a server that every client can reach."""

import atexit
import subprocess
import sys
from contextlib import contextmanager
from functools import cache

from refimpl.check.suites.rerank_scores import model_folder

KEY = "any"


@cache
def golden_model():
    """The folder of the small cross-encoder whose scores the suite rerank-scores compares."""
    return str(model_folder())


@cache
def server():
    """The address of the server, which ends with this process."""
    options = ["--port", "0", "--rerank-model", golden_model()]
    process = subprocess.Popen([sys.executable, "-m", "refimpl", "serve", *options], stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    return process.stdout.readline().split()[0]


@contextmanager
def refusals(*errors):
    """Turn the errors by which a client reports a refused request into ValueError, which `refimpl check` expects."""
    try:
        yield
    except errors as error:
        raise ValueError(str(error)) from error
