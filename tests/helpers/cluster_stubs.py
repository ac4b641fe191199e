"""Functions for tests on a cluster, whose workers import this module: deterministic, slow, deadly, failing."""

import hashlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np

from refimpl.search.scorers import DenseScorer
from refimpl.sparse.bm25 import BM25EmbeddingFunction

DIM = 4
STOP = getattr(signal, "SIGSTOP", None)  # not on Windows


def vectors(texts):
    """Four float32 per text, from the text's sha256."""
    digests = [hashlib.sha256(text.encode()).digest()[: 2 * DIM] for text in texts]
    return np.array([np.frombuffer(digest, np.uint16) for digest in digests], np.float32).reshape(len(texts), DIM)


class Slow:
    """Sleeps, where a text is `text`, by default always, and encodes."""

    def __init__(self, seconds, text=None):
        self.seconds, self.text = seconds, text

    def encode_documents(self, texts):
        if self.text is None or self.text in texts:
            time.sleep(self.seconds)
        return vectors(texts)


class Deadly:
    """Ends its own process at the first attempt to encode a part, for a share of all parts that `seed` chooses.

    Half of these processes end before the part is encoded, half a moment later: while its shard is written, or after.
    `folder` has a file for each end. `action` is the signal.
    """

    def __init__(self, folder, share, seed=0, action=signal.SIGKILL):
        self.folder, self.share, self.seed, self.action = Path(folder), share, seed, action

    def deaths(self, first_texts):
        """The number of parts, with these first texts, that end a process."""
        return sum(self._random(text).random() < self.share for text in first_texts)

    def attempt(self, text):
        """End the process, now or soon, if this is the first attempt for a part that does so."""
        chance = self._random(text)
        if chance.random() >= self.share:
            return
        try:
            (self.folder / hashlib.sha256(text.encode()).hexdigest()).touch(exist_ok=False)
        except FileExistsError:
            return
        if chance.random() < 0.5:
            os.kill(os.getpid(), self.action)
        threading.Timer(chance.uniform(0, 0.05), os.kill, (os.getpid(), self.action)).start()

    def encode_documents(self, texts):
        self.attempt(texts[0])
        return vectors(texts)

    def _random(self, text):
        return random.Random(f"{self.seed} {text}")


class DeadlyBM25(BM25EmbeddingFunction):
    """Counts terms, and ends processes as `deadly` does."""

    def __init__(self, deadly):
        super().__init__(str.split, variant="lucene")
        self.deadly = deadly

    def count(self, texts):
        self.deadly.attempt(texts[0])
        return super().count(texts)


class DeadlyScorer(DenseScorer):
    """Scores blocks of documents, and ends processes as `deadly` does."""

    def __init__(self, deadly, queries, metric):
        super().__init__(queries, metric)
        self.deadly = deadly

    def rows(self, block, first_row=0):
        self.deadly.attempt(f"row {first_row}")
        return super().rows(block, first_row)


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


def always_ending(texts):
    os.kill(os.getpid(), signal.SIGKILL)


class Threads:
    """Encodes, and returns "same" for each tile that the calling thread computes, "other" for each of another one."""

    def __init__(self, encode):
        self.encode = encode

    def __call__(self, texts):
        caller, seen = threading.get_ident(), set()
        encoder = self.encode.__self__.encoder
        states = encoder._hidden_states

        def recorded(tile):
            seen.add("same" if threading.get_ident() == caller else "other")
            return states(tile)

        encoder._hidden_states = recorded
        try:
            self.encode(texts)
        finally:
            encoder._hidden_states = states
        return seen


class NumWorkers:
    """Encodes, and returns the encoder's `num_workers` and the vectors."""

    def __init__(self, encode):
        self.encode = encode

    def __call__(self, texts):
        return self.encode.__self__.encoder.num_workers, self.encode(texts)
