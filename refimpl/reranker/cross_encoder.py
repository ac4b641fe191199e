"""A cross-encoder: query and document read together by one BERT, whose [CLS] says how well they fit."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from refimpl import models
from refimpl.base import RerankResult
from refimpl.bert.encoder import Encoder
from refimpl.bert.files import read_json
from refimpl.bert.heads import sequence_logits
from refimpl.bert.weights import BertWeights
from refimpl.reranker.ranking import check_request, ranked
from refimpl.tokens import Tokenizer, Tokens

Array = np.ndarray
Activation = Literal["sigmoid", "none"]
NO_LIMIT = 1 << 30  # transformers writes 1e30 for "none"


class CrossEncoderRerankFunction:
    """Scores each (query, document) pair by a BERT or XLM-RoBERTa sequence classifier with one label.

    `model_name` is a folder or a hub repository, such as cross-encoder/ms-marco-MiniLM-L6-v2 or
    BAAI/bge-reranker-base. Pairs are `[CLS] query [SEP] document [SEP]` with segments 0 and 1, cut longest first at
    `max_length` (default: what the model's files say). Scores are logits, or their sigmoid where the model's
    configuration asks for it (sentence-transformers' rule: sigmoid unless it names another); `activation` overrides it.
    `dtype="float64"` runs the textbook forward and is the oracle; float32 the packed one, on `num_workers` threads
    (default: all cores). Nogueira and Cho 2019, section 2.2.
    """

    gives_logits = True

    def __init__(
        self,
        model_name: str | Path,
        device: str = "cpu",
        batch_size: int = 32,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        activation: Activation | None = None,
        num_workers: int | None = None,
    ) -> None:
        if device not in ("", "cpu"):
            raise ValueError(f"device must be 'cpu', got {device!r}: refimpl computes in numpy")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        folder = models.path(str(model_name))
        self.weights = BertWeights.load(folder, dtype)
        labels = self.weights.get("classifier.weight", self.weights.get("classifier.out_proj.weight"))
        if labels is None or len(labels) != 1:
            found = "no classifier" if labels is None else f"{len(labels)} labels"
            raise ValueError(f"{folder} has {found}, and a reranker has one label: take a cross-encoder's weights")
        longest = self.weights.config.longest_text
        if max_length is not None and max_length > longest:
            raise ValueError(f"max_length must be at most {longest}, the model's positions, got {max_length}")
        self.tokenizer = Tokenizer(folder, min(longest, max_length or _published_max_length(folder)))
        self.activation: Activation = activation or _published_activation(folder)
        if self.activation not in ("sigmoid", "none"):
            raise ValueError(f"activation must be 'sigmoid' or 'none', got {activation!r}")
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    def __call__(self, query: str, documents: Sequence[str], top_k: int | None = 5) -> list[RerankResult]:
        """The best `top_k` documents, best first; ValueError or TypeError for a wrong request."""
        query, texts, wanted = check_request(query, documents, top_k)
        return ranked(self.scores(query, texts).tolist(), texts, wanted)

    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """One score a document, in input order, in the dtype of the weights."""
        logits = self.raw_scores(self.tokens(query, documents))
        return expit(logits) if self.activation == "sigmoid" else logits

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """The pairs as the model reads them."""
        tokens = self.tokenizer.pairs([query] * len(documents), documents)
        if self.weights.config.type_vocab_size == 1:  # RoBERTa knows one segment, whatever its tokenizer.json says
            return replace(tokens, token_type_ids=np.zeros_like(tokens.token_type_ids))
        return tokens

    def raw_scores(self, tokens: Tokens) -> Float[Array, "documents"]:
        """The classifier's output for each pair, before any activation; equal pairs have the same, to the last bit."""
        first, place = tokens.distinct()
        logits = np.empty(len(first), dtype=self.weights.dtype)
        for rows, values in self.encoder.map(tokens.select(first), self._head):
            logits[rows] = values
        return logits[place]

    def _head(
        self, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> Float[Array, "texts"]:
        first = hidden_states[np.cumsum(lengths) - lengths]
        return sequence_logits(self.weights, first[:, None, :])[:, 0]


def _published_max_length(folder: Path) -> int:
    """tokenizer_config.json's model_max_length; where it states none, the positions alone are the limit."""
    file = folder / "tokenizer_config.json"
    stated = read_json(file).get("model_max_length") if file.is_file() else None
    return int(stated) if isinstance(stated, int | float) and 0 < stated < NO_LIMIT else NO_LIMIT


def _published_activation(folder: Path) -> Activation:
    """What config.json names (`sentence_transformers.activation_fn`, before version 4 another key), else sigmoid."""
    config = read_json(folder / "config.json")
    named = (config.get("sentence_transformers") or {}).get("activation_fn")
    named = named or config.get("sbert_ce_default_activation_function") or "Sigmoid"
    known: dict[str, Activation] = {"Sigmoid": "sigmoid", "Identity": "none"}
    kind = str(named).rsplit(".", 1)[-1]
    if kind not in known:
        raise ValueError(
            f"{folder / 'config.json'} names the activation {named!r}: give activation='sigmoid' or 'none'"
        )
    return known[kind]
