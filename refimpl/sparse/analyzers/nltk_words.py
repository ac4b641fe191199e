"""NLTK's `word_tokenize`: Punkt's English sentences, then each one's Treebank words."""

from functools import cache
from itertools import chain
from pathlib import Path

from refimpl.sparse.analyzers.punkt import PunktParameters, PunktSentences
from refimpl.sparse.analyzers.steps import Step
from refimpl.sparse.analyzers.stopwords import nltk_data
from refimpl.sparse.analyzers.treebank import TreebankWords


class StandardTokenizer(Step):
    """Words as `nltk.word_tokenize(text)` gives them; without NLTK's data a text is taken as one sentence."""

    def __init__(self) -> None:
        folder = nltk_data()
        self._sentences = None if folder is None else PunktSentences(_english(folder))
        self._words = TreebankWords()
        self.settings = {"sentences": "punkt" if folder is not None else "none"}

    def tokenize(self, text: str) -> list[str]:
        """The words of `text` in order, quotes as `` and ''."""
        if self._sentences is None:
            return self._words(text)
        return list(chain.from_iterable(map(self._words, self._sentences(text))))

    def __reduce__(self) -> tuple[type["StandardTokenizer"], tuple[()]]:
        return type(self), ()


@cache
def _english(folder: Path) -> PunktParameters:
    return PunktParameters.read(folder / "tokenizers/punkt_tab/english")
