"""Ids with every kind of character in Milvus' filter expressions: each finds its own document, and only that."""

import random
import tempfile
from pathlib import Path

import numpy as np
from attacks import Attack, attack

from refimpl.search.fields import DenseField
from refimpl.search.records import ID_BYTES
from refimpl.search.store import MilvusStore

ALPHABETS = [
    [chr(code) for code in range(0x20)],  # control characters, CR and NUL among them
    [chr(code) for code in range(0x7F, 0xA1)],
    list("\"'\\`{}[]()$%_,;:#?*&|!=<>~^@/-+. "),
    ["\\n", "\\r", "\\t", '\\"', "\\\\", "\\x00", "\\u0041", "\\0", '" or id != "', '"] or id in ["', "{id}", "$meta"],
    ["\u0085", "\u2028", "\u2029", "\ufeff", "\u200b", "\u202e", "\ufffd", "\uffff", "\U0001f680", "\U0010ffff"],
    ["e\u0301", "\u00e9", "\u0130", "i", "I", "\u00df", "ss", "\ufb01", "fi", "火", "א", "ا"],  # equal for some eyes
    list("abcXYZ019"),
]


def random_id(rng: random.Random) -> str:
    """1 to 12 characters of a few alphabets; sometimes as long as an id may be."""
    alphabets = rng.sample(ALPHABETS, rng.randint(1, 3))
    letters = [rng.choice(rng.choice(alphabets)) for _ in range(rng.randint(1, 12))]
    if rng.random() < 0.02:
        letters *= 100
    return "".join(letters).encode()[:ID_BYTES].decode(errors="ignore") or "x"


@attack
def filter_quoting(run: Attack) -> None:
    with tempfile.TemporaryDirectory(prefix="a folder ") as folder:
        uri = str(Path(folder) / "m.db")
        with MilvusStore("ids", [DenseField("dense", 2)], uri=uri) as store:
            for rng in run.rounds(4):
                ids = list(dict.fromkeys(random_id(rng) for _ in range(300)))
                stored, absent = ids[: len(ids) // 2], ids[len(ids) // 2 :]
                texts = [f"text {number}" for number in range(len(stored))]
                vectors = {"dense": np.ones((len(stored), 2), np.float32)}
                store.drop()
                run.count("inputs", len(ids))
                if (counts := store.ingest(stored, texts, vectors)).written != len(stored):
                    run.failed(f"{counts.written} of {len(stored)} documents were written")
                if store.texts(ids) != dict(zip(stored, texts, strict=True)):
                    run.failed(f"the texts of {len(stored)} stored and {len(absent)} absent ids are not those stored")
                if (counts := store.ingest(stored, texts, vectors)).kept != len(stored):
                    run.failed(f"the second run found {counts.kept} of {len(stored)} documents")
