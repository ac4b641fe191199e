"""NLTK's `word_tokenize`: sentences by English Punkt, then Treebank words of each."""

from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from refimpl.sparse.analyzers.punkt import PunktParameters, PunktSentences
from refimpl.sparse.analyzers.steps import Step
from refimpl.sparse.analyzers.stopwords import nltk_data
from refimpl.sparse.analyzers.treebank import TreebankWords


class StandardTokenizer(Step):
    """The words of `nltk.word_tokenize(text)`; without NLTK's data a text is treated as one sentence.

    An unpickled tokenizer splits sentences as the original did; ValueError if that needs NLTK's data and it is missing.
    """

    def __init__(self) -> None:
        self._set_data(nltk_data())

    def _set_data(self, folder: Path | None) -> None:
        self._sentences = None if folder is None else PunktSentences(_english_parameters(folder))
        self._words = TreebankWords()
        self.settings = {"sentences": "punkt" if folder is not None else "none"}

    def tokenize(self, text: str) -> list[str]:
        """The words of `text` in order, quotes as `` and ''."""
        if self._sentences is None:
            return self._words(text)
        return list(chain.from_iterable(map(self._words, self._sentences(text))))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.settings["sentences"])


def _unpickled(cls: type[StandardTokenizer], sentences: str) -> StandardTokenizer:
    folder = nltk_data() if sentences == "punkt" else None
    if sentences == "punkt" and folder is None:
        raise ValueError(
            "the pickled tokenizer needs NLTK's data, which is not on this machine: "
            "run `refimpl models fetch nltk-data` when connected"
        )
    tokenizer = cls.__new__(cls)
    tokenizer._set_data(folder)
    return tokenizer


@cache
def _english_parameters(folder: Path) -> PunktParameters:
    return PunktParameters.read(folder / "tokenizers/punkt_tab/english")
