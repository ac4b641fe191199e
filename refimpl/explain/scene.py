"""What the panels share: the chosen documents, and every text's tokens and hidden states in float64."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from refimpl.bert.forward import forward
from refimpl.bert.heads import l2_normalize, mean_pool
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.explain.choose import choose
from refimpl.explain.collection import Collection
from refimpl.explain.panel import SHOWN_TOKENS, with_rest
from refimpl.sparse.analyzers import build_default_analyzer
from refimpl.sparse.bm25.statistics import CorpusStatistics
from refimpl.sparse.term_counts import Analyze, tokenize


@dataclass(frozen=True)
class Text:
    """A text, its tokens, those removed by truncation, and its hidden states from the textbook forward pass.

    `attention` has the probabilities of the first `SHOWN_TOKENS` tokens; a last column sums those to further ones.
    """

    name: str
    id: str
    text: str
    tokens: list[str]
    input_ids: Int[Array, " tokens"]
    token_type_ids: Int[Array, " tokens"]
    truncated: list[str]
    attention: Float[Array, "layers heads shown columns"]
    hidden_states: Float[Array, "tokens hidden"]
    pooled: Float[Array, " hidden"]
    vector: Float[Array, " hidden"]


@dataclass(frozen=True)
class Scene:
    """The question, the documents on the page, and the whole collection's term statistics.

    `trace` is every intermediate of the question's forward pass by its published name, leading axis 1.
    """

    question: Text
    documents: list[Text]
    collection: Collection
    trace: dict[str, Array]
    function: MiniLMEmbeddingFunction
    analyzer: Analyze
    statistics: CorpusStatistics

    @property
    def texts(self) -> list[Text]:
        """Return the question, then the documents."""
        return [self.question, *self.documents]

    @property
    def weights(self) -> BertWeights:
        """Return the encoder's weights."""
        return self.function.weights

    @property
    def max_length(self) -> int:
        """Return the number of tokens after which a text is truncated."""
        return self.function.tokenizer.max_length

    @property
    def cosines(self) -> Float[Array, " documents"]:
        """Compute the question's cosine with each document."""
        return np.array([document.vector @ self.question.vector for document in self.documents])


def build(question: str, collection: Collection, most: int, *, show_progress: bool = False) -> Scene:
    """Choose the documents and compute what the panels share.

    Of more than `most` documents, `choose` selects the best. Raises ValueError for an empty question and for `most`
    below 1.
    """
    if not question.strip():
        raise ValueError(f"expected a question with text, got {question!r}: give at least one word")
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    analyzer: Analyze = build_default_analyzer("en")
    statistics = CorpusStatistics()
    statistics.add(tokenize(collection.texts, analyzer))
    rows = list(range(len(collection.texts)))
    if len(rows) > most:
        rows = choose(question, collection.texts, analyzer, most, show_progress=show_progress)
    function = MiniLMEmbeddingFunction(dtype="float64")
    documents = [
        _encode(function, f"Document {number}", collection.ids[row], collection.texts[row])
        for number, row in enumerate(rows, start=1)
    ]
    return Scene(
        question=_encode(function, "Question", "", question),
        documents=documents,
        collection=collection,
        trace=function.trace(question),
        function=function,
        analyzer=analyzer,
        statistics=statistics,
    )


def build_single(text: str, function: MiniLMEmbeddingFunction) -> Scene:
    """Build the scene of one text and no documents, in the function's dtype."""
    return Scene(
        question=_encode(function, "Text", "", text),
        documents=[],
        collection=Collection("", [], []),
        trace=function.trace(text),
        function=function,
        analyzer=str.split,
        statistics=CorpusStatistics(),
    )


def unit_vectors(
    function: MiniLMEmbeddingFunction, texts: Sequence[str], weights: BertWeights | None = None
) -> Float[Array, "texts hidden"]:
    """Compute the texts' unit vectors by the textbook forward pass, with the function's own weights or with others."""
    batch = function.tokenizer(texts).padded()
    output = forward(weights or function.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids)
    return l2_normalize(mean_pool(output.last_hidden_state, batch.attention_mask))


def _encode(function: MiniLMEmbeddingFunction, name: str, doc_id: str, text: str) -> Text:
    batch = function.tokenizer([text]).padded()
    output = forward(function.weights, batch.input_ids, batch.attention_mask, batch.token_type_ids, trace=True)
    pooled = mean_pool(output.last_hidden_state, batch.attention_mask)
    layers = range(function.weights.config.num_hidden_layers)
    return Text(
        name=name,
        id=doc_id,
        text=text,
        tokens=function.tokenizer.tokens_of(text),
        input_ids=batch.input_ids[0],
        token_type_ids=batch.token_type_ids[0],
        truncated=function.tokenizer.beyond(text),
        attention=np.stack([_shown(output.trace[f"layer.{i}.attention_probs"][0]) for i in layers]),
        hidden_states=output.last_hidden_state[0],
        pooled=pooled[0],
        vector=l2_normalize(pooled)[0],
    )


def _shown(probs: Array) -> Array:
    return with_rest(probs)[:, :SHOWN_TOKENS]
