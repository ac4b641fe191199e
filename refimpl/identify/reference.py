"""The token states of a published model, for the inputs that an implementation may give it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from refimpl.common.types import Array

States = Float64[Array, "_tokens _hidden"]
TEXTS = (
    "water",
    "the red house",
    "music in the morning",
    "an old king of the city went home with four people",
    "the river runs north and south",
    "we read the second book about history",
    "children walk along the coast every year",
    "he came late",
)
PREFIXES = (  # documented by E5, BGE, Nomic, mxbai, Arctic, GTE, Instructor, EmbeddingGemma, Jina and others
    "query: ",
    "passage: ",
    "search_query: ",
    "search_document: ",
    "clustering: ",
    "classification: ",
    "Represent this sentence for searching relevant passages: ",
    "Represent this sentence: ",
    "Represent the sentence: ",
    "Represent this query for retrieving relevant documents: ",
    "task: search result | query: ",
    "title: none | text: ",
    "title: ",
    "text: ",
    "document: ",
    "sentence: ",
    "Query: ",
    "Document: ",
    "Represent the query for retrieval: ",
    "Represent the query for retrieving evidence documents: ",
    "Represent the document for retrieval: ",
    "Represent the Wikipedia question for retrieving supporting documents: ",
    "Represent the Wikipedia document for retrieval: ",
    "task: sentence similarity | query: ",
    "task: question answering | query: ",
    "task: classification | query: ",
    "task: clustering | query: ",
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
)


@runtime_checkable
class Reference(Protocol):
    """A published model: hidden states by token ids; the tests have one of their own."""

    name: str
    special: tuple[int, int]
    """The numbers of special tokens before and after a text."""
    positions: int | None
    """The tokens of the longest input; None where there is no limit."""

    def tokens(self, text: str) -> list[int]:
        """Token ids, special tokens included."""
        ...

    def states(self, ids: Sequence[int]) -> States:
        """The last hidden states of one text."""
        ...

    def pooler(self, states: States) -> Array | None:
        """The model's own pooler, where it has one."""
        ...


class Published:
    """A model folder, in float64."""

    def __init__(self, model: str) -> None:
        from refimpl import MiniLMEmbeddingFunction, models

        function = MiniLMEmbeddingFunction(models.path(model), dtype="float64")
        self.name = model
        self._weights, self._tokenizer = function.weights, function.tokenizer
        config = function.weights.config
        self.positions = config.longest_text if config.has_positions else None
        mask = [token in self._special_ids() for token in self.tokens("water")]
        self.special = (mask.index(False), mask[::-1].index(False))

    def _special_ids(self) -> set[int | None]:
        return {self._tokenizer.special_id(f"{role}_token") for role in ("cls", "sep", "bos", "eos")}

    def tokens(self, text: str) -> list[int]:
        """Token ids, special tokens included."""
        return self._tokenizer([text]).input_ids.tolist()

    def states(self, ids: Sequence[int]) -> States:
        """The last hidden states of one text."""
        from refimpl.bert.forward import forward

        batch = np.array([ids])
        ones, zeros = np.ones_like(batch), np.zeros_like(batch)
        return forward(self._weights, batch, ones, zeros).last_hidden_state[0]

    def pooler(self, states: States) -> Array | None:
        """BERT's pooler, where the folder has its weights."""
        from refimpl.bert.heads import pooler

        return pooler(self._weights, states[None])[0] if "pooler.dense.weight" in self._weights else None


@dataclass(frozen=True)
class Input:
    """How texts become the model's input; `special` are the numbers of special tokens before and after a text."""

    name: str
    ids: Callable[[str], list[int]]
    special: tuple[int, int]


def inputs(model: Reference, prefixes: Sequence[str] = PREFIXES) -> Iterator[Input]:
    """The usual input, then without special tokens, with them twice, then with a known prefix."""
    before, after = model.special

    def usual(text: str) -> list[int]:
        return model.tokens(text)

    def bare(text: str) -> list[int]:
        ids = model.tokens(text)
        return ids[before : len(ids) - after]

    yield Input("with the model's special tokens", usual, (before, after))
    if before + after:
        yield Input("without special tokens", bare, (0, 0))
    if before and after:
        yield Input("without the first special token", lambda text: usual(text)[before:], (0, after))
        yield Input("without the last special token", lambda text: usual(text)[:-after], (before, 0))
        twice = (2 * before, 2 * after)
        yield Input(
            "with the special tokens twice",
            lambda text: [*usual(text)[:before], *usual(text), *usual(text)[-after:]],
            twice,
        )
    for prefix in prefixes:
        yield Input(f"with {prefix!r} before each text", partial(_prefixed, model, prefix), (before, after))


def _prefixed(model: Reference, prefix: str, text: str) -> list[int]:
    return model.tokens(prefix + text)
