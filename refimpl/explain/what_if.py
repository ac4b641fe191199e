"""Changes of the question, of BM25 and of the weights, and the scores of the page's documents after each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.explain.rankings import K1, Scores, bm25
from refimpl.explain.scene import Scene, unit_vectors
from refimpl.sparse.splade import SpladeEmbeddingFunction
from refimpl.tokens import TruncationWarning

REMOVED_WORDS = 12  # of a longer question, the first
ADDED_WORDS = 3
K1S = (0.0, 0.5, 1.2, 2.0, 3.0)


@dataclass(frozen=True)
class Change:
    """A change by name, and every document's MiniLM and BM25 score after it; NaN: absent from BM25's ranking."""

    kind: str
    name: str
    dense: Scores
    lexical: Scores


def changes(scene: Scene, splade: str, added: Sequence[str] = ()) -> list[Change]:
    """Compute every change; `added` are words to add to the question, by default those that SPLADE adds."""
    question, dense = scene.question.text, scene.cosines
    lexical = bm25(scene, question)
    unchanged = Change("none", "no change", dense, lexical)
    of_k1 = [Change("k1", f"k1 {k1:g} instead of {K1:g}", dense, bm25(scene, question, k1)) for k1 in K1S if k1 != K1]
    of_weights = [
        Change("weights", name, _cosines_with(scene, rounded), lexical) for name, rounded in QUANTISED.items()
    ]
    return [unchanged, *_of_words(scene, added or suggested(question, splade)), *of_k1, *of_weights]


def _of_words(scene: Scene, added: Sequence[str]) -> Iterator[Change]:
    reworded = [("word removed", f"without ‘{word}’", text) for word, text in without_each_word(scene.question.text)]
    reworded += [("word added", f"with ‘{word}’", f"{scene.question.text} {word}") for word in added]
    if not reworded:
        return
    documents = np.stack([document.vector for document in scene.documents])
    for kind, name, text in reworded:
        (vector,) = unit_vectors(scene.function, [text])
        yield Change(kind, name, documents @ vector, bm25(scene, text))


def without_each_word(question: str) -> list[tuple[str, str]]:
    """Return the first words, and the question without any occurrence of each; not where nothing would be left.

    Words are separated by whitespace, and compared without case and punctuation at either end.
    """
    words = question.split()
    bare = [word.strip("?.!,;:\"'()").casefold() or word for word in words]
    firsts = [number for number, word in enumerate(bare) if bare.index(word) == number][:REMOVED_WORDS]
    return [
        (words[number].strip("?.!,;:\"'()") or words[number], " ".join(kept))
        for number in firsts
        if (kept := [word for word, key in zip(words, bare, strict=True) if key != bare[number]])
    ]


def suggested(question: str, splade: str) -> list[str]:
    """Return the whole words with the largest SPLADE weights that the question does not contain."""
    function = SpladeEmbeddingFunction(splade, dtype="float64")
    with silenced(TruncationWarning):
        weights = function.decode(function([question]))
    pieces = set(function.tokenizer.tokens_of(question))
    words = [word for word, _ in weights if word.isalpha() and word not in pieces]
    return words[:ADDED_WORDS]


def rounded_to_float16(tensor: Array) -> Array:
    """Return the weights rounded to float16."""
    return tensor.astype(np.float16).astype(tensor.dtype)


def rounded_to_bits(tensor: Array, bits: int) -> Array:
    """Return a matrix rounded to integers of `bits` bits with one scale per row, symmetric about 0; vectors unchanged.

    The scale is the row's largest absolute value over 2^(bits - 1) - 1, as in absmax quantisation (Dettmers et al.
    2022, LLM.int8(), section 2).
    """
    if tensor.ndim < 2:
        return tensor
    scale = np.abs(tensor).max(axis=-1, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.rint(tensor / np.where(scale == 0, 1, scale)) * scale


QUANTISED: dict[str, Callable[[Array], Array]] = {
    "weights in float16": rounded_to_float16,
    "weights in 8 bits": partial(rounded_to_bits, bits=8),
    "weights in 4 bits": partial(rounded_to_bits, bits=4),
    "weights in 3 bits": partial(rounded_to_bits, bits=3),
}


def _cosines_with(scene: Scene, rounded: Callable[[Array], Array]) -> Scores:
    weights = BertWeights(scene.weights.config, {name: rounded(tensor) for name, tensor in scene.weights.items()})
    vectors = np.concatenate([unit_vectors(scene.function, [text.text], weights) for text in scene.texts])
    return vectors[1:] @ vectors[0]
