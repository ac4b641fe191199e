"""Functions for tests on a cluster, whose workers import this module: deterministic, slow, deadly, failing."""

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import numpy as np

DIM = 4


def vectors(texts):
    """Four float32 per text, from the text's sha256."""
    digests = [hashlib.sha256(text.encode()).digest()[: 2 * DIM] for text in texts]
    return np.array([np.frombuffer(digest, np.uint16) for digest in digests], np.float32).reshape(len(texts), DIM)


class Slow:
    """Sleeps, then encodes."""

    def __init__(self, seconds):
        self.seconds = seconds

    def encode_documents(self, texts):
        time.sleep(self.seconds)
        return vectors(texts)


class Deadly:
    """Kills its own process with a probability per call, before the texts are encoded or after, at most `most` times.

    `folder` has one file per call, named by the process and what it did.
    """

    def __init__(self, folder, probability, most, action=signal.SIGKILL):
        self.folder, self.probability, self.most, self.action = Path(folder), probability, most, action

    def encode_documents(self, texts):
        encoded = None if random.random() < 0.5 else vectors(texts)
        deaths = len(list(self.folder.glob("death-*")))
        dies = random.random() < self.probability and deaths < self.most
        (self.folder / f"{'death' if dies else 'call'}-{os.getpid()}-{time.time_ns()}").touch()
        if dies:
            os.kill(os.getpid(), self.action)
        return vectors(texts) if encoded is None else encoded

    def count(self, texts):
        """Die as in encoding, else count the terms."""
        from refimpl.sparse.bm25 import BM25EmbeddingFunction

        self.encode_documents(texts)
        return BM25EmbeddingFunction(str.split, variant="lucene").count(texts)


class Failing:
    """Raises ValueError for texts that contain a word."""

    def __init__(self, word):
        self.word = word

    def encode_documents(self, texts):
        if any(self.word in text for text in texts):
            raise ValueError(f"a text has the word {self.word}")
        return vectors(texts)


def reciprocal(number):
    return 1 / number
