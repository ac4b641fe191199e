"""Cross-encoder: BERT reads query and document as one pair, and a classifier on [CLS] scores their relevance."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import WeightsError
from refimpl.bert.heads import classifier_input, sequence_logits
from refimpl.bert.sentence_files import check_files, module_list, read_prompts, sentence_settings, transformer_settings
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.types import Array
from refimpl.reranker.activations import Activation, Named, apply_activation, resolve_activation
from refimpl.reranker.local import LocalRerankFunction
from refimpl.tokens import Tokenizer, Tokens


class CrossEncoderRerankFunction(LocalRerankFunction):
    """Reranker that scores (query, document) pairs by a BERT or XLM-RoBERTa sequence classifier with one label.

    Parameters
    ----------
    model_name
        A folder or a hub repository, such as "cross-encoder/ms-marco-MiniLM-L6-v2" or "BAAI/bge-reranker-base".
    device
        "cpu", "" or None.
    batch_size
        Pairs per forward pass.
    activation_fct
        The function from logits to scores: a callable on a numpy array `(documents,)` that returns as many finite
        numbers, "sigmoid", "none", or torch's `Sigmoid()` or `Identity()`. By default the one in config.json, else
        sigmoid, as in sentence-transformers.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per pair, special tokens included; by default the model's. A longer pair is truncated, the longer text
        first.
    activation
        "sigmoid" or "none", instead of `activation_fct`.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        None: further keywords are refused.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    ValueError
        If the model has no classifier with one label, or an argument is out of range.
    TypeError
        If there is a further keyword.

    Notes
    -----
    The input is `[CLS] query [SEP] document [SEP]` with segments 0 and 1, the folder's default prompt before the
    query. Nogueira and Cho 2019, section 2.2.

    Examples
    --------
    >>> from refimpl import CrossEncoderRerankFunction
    >>> rerank = CrossEncoderRerankFunction("cross-encoder/ms-marco-MiniLM-L6-v2")
    >>> results = rerank("Which planet is red?", ["Venus is hot.", "Mars is red.", "Jupiter"], top_k=2)
    >>> len(results), results[0].score >= results[1].score
    (2, True)
    """

    gives_logits = True

    def __init__(
        self,
        model_name: str | Path = "",
        device: str | None = "",
        batch_size: int = 32,
        activation_fct: Named | Activation | None = None,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        activation: Named | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        refuse_keywords(self, kwargs)
        if model_name == "":
            raise ValueError(
                "model_name must be a folder or a hub repository, got '': give one, such as "
                "'cross-encoder/ms-marco-MiniLM-L6-v2'"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        folder = self._read_from(models.path(str(model_name)))
        transformer, self.prompt, lowercase = _sentence_files(folder)
        self.weights = BertWeights.load(transformer, dtype)
        labels = self.weights.get("classifier.weight", self.weights.get("classifier.out_proj.weight"))
        if labels is None or len(labels) != 1:
            actual = "no classifier" if labels is None else f"{len(labels)} labels"
            raise ValueError(f"expected a classifier with one label, got {actual} in {folder}: give a cross-encoder")
        longest = self.weights.config.longest_text
        if max_length is not None and max_length > longest:
            raise ValueError(f"max_length must be at most {longest}, the model's positions, got {max_length}")
        self.tokenizer = Tokenizer(transformer, max_length, positions=longest, lowercase=lowercase)
        self.activation, self.activation_fct = resolve_activation(activation_fct, activation, folder, transformer)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """Return one score per document, in input order and the dtype of the weights."""
        return apply_activation(self.activation_fct, self.raw_scores(self.tokens(query, documents)))

    def score_pairs(self, queries: Sequence[str], documents: Sequence[str]) -> Float[Array, "pairs"]:
        """Return one score per pair `queries[i]`, `documents[i]`; pairs of several queries share a forward pass."""
        return apply_activation(self.activation_fct, self.raw_scores(self._tokens(queries, documents)))

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """Return the token ids of the pairs of one query."""
        return self._tokens([query] * len(documents), documents)

    def _tokens(self, queries: Sequence[str], documents: Sequence[str]) -> Tokens:
        return self.with_segments(self.tokenizer.pairs([self.prompt + query for query in queries], documents))

    def with_segments(self, tokens: Tokens) -> Tokens:
        """Return the pairs with the segments that the model has."""
        if self.weights.config.type_vocab_size == 1:  # RoBERTa has one segment, whatever its tokenizer.json assigns
            return replace(tokens, token_type_ids=np.zeros_like(tokens.token_type_ids))
        return tokens

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """Return the classifier's logit for each pair; equal pairs have equal logits, to the last bit."""
        index, inverse = tokens.distinct()
        logits = np.empty(len(index), dtype=self.weights.dtype)
        for rows, values in self.encoder.map(tokens.select(index), self._head):
            logits[rows] = values
        return logits[inverse]

    def _head(
        self, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> Float[Array, "texts"]:
        return sequence_logits(self.weights, classifier_input(self.weights, hidden_states, lengths))[:, 0]


def _sentence_files(folder: Path) -> tuple[Path, str, bool]:
    """Return the encoder's folder, the default prompt, which precedes the query, and whether texts are lower-cased.

    Raises WeightsError for modules other than one Transformer, and for a key that is not supported.
    """
    if not (folder / "modules.json").is_file():
        check_files(folder)
        return folder, "", False
    kinds = module_list(folder)
    if [kind for kind, _ in kinds] != ["Transformer"]:
        names = ", ".join(kind for kind, _ in kinds) or "nothing"
        file = folder / "modules.json"
        raise WeightsError(
            f"{file}: expected one Transformer, got {names}, no classifier of pairs: give a cross-encoder"
        )
    transformer = kinds[0][1]
    settings = transformer_settings(transformer, "CrossEncoder")
    prompts, default = read_prompts(folder, sentence_settings(folder, "CrossEncoder"))
    return transformer, "" if default is None else prompts[default], settings.get("do_lower_case", False)
