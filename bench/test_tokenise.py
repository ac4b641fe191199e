"""Tokenise: texts to token ids, against the same Rust tokenizers behind transformers and sentence-transformers.

The work is theirs: what differs is what each wrapper adds before a model can run.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench import peers
from bench.checks import same
from bench.race import Race
from bench.texts import LENGTHS, fingerprint, texts
from refimpl import models
from refimpl.tokens import Tokenizer

COUNTS = {"short": 1000, "long": 100, "mixed": 200}
MAX_LENGTH = 256


@pytest.mark.parametrize("kind", LENGTHS)
def test_tokenise(race: Race, kind: str) -> None:
    documents = texts(kind, COUNTS[kind])
    folder = str(models.path("all-MiniLM-L6-v2"))
    ours = Tokenizer(folder, max_length=MAX_LENGTH)
    sides: dict[str, Callable[[], Any]] = {"refimpl": lambda: ours(documents).padded()}
    if (transformers := peers.get("transformers")) is not None:
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        options = {"padding": True, "truncation": True, "max_length": MAX_LENGTH, "return_tensors": "np"}
        sides["transformers"] = lambda: theirs(documents, **options)
    if (tokenizers := peers.get("tokenizers")) is not None:
        bare = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        bare.enable_truncation(MAX_LENGTH)
        bare.enable_padding()
        sides["tokenizers"] = lambda: np.array([each.ids for each in bare.encode_batch(documents)])
    expected = sides.get("tokenizers", sides["refimpl"])()
    facts = {"work": len(documents), "unit": "texts", "data": fingerprint(documents)}
    race(sides, stage="tokenise", case=kind, check=lambda _, answer: same(_ids(answer), _ids(expected), "ids"), **facts)


def _ids(answer: Any) -> list[list[int]]:
    if hasattr(answer, "input_ids"):
        answer = answer.input_ids
    return np.asarray(answer).tolist()
