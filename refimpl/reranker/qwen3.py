"""Qwen3-Reranker: a decoder's answer, yes or no, to whether a document meets a query's requirements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from refimpl import models
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import next_token_logits
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.texts import check_text
from refimpl.common.types import Array
from refimpl.reranker.local import LocalRerankFunction
from refimpl.tokens import Tokenizer, Tokens

PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
ANSWERS = ("no", "yes")


class Qwen3RerankFunction(LocalRerankFunction):
    """Reranker that scores (query, document) pairs by the probability of "yes" as a decoder's next token.

    Parameters
    ----------
    model_name
        A folder or a hub repository, such as "Qwen/Qwen3-Reranker-0.6B".
    device
        "cpu", "" or None.
    batch_size
        Pairs per forward pass.
    instruction
        The task, in the prompt.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per pair, the prompt included; a longer pair loses the end of its document.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        None: further keywords are refused.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    ValueError
        If the model is no Qwen3 decoder, its vocabulary has no "yes" or "no", or an argument is out of range.
    TypeError
        If there is a further keyword.

    Notes
    -----
    The score is exp(yes) / (exp(yes) + exp(no)) of the two logits at the prompt's last token. Zhang et al. 2025,
    "Qwen3 Embedding", section 2; prompt and settings as on the card of Qwen3-Reranker-0.6B.

    Examples
    --------
    >>> from refimpl import Qwen3RerankFunction
    >>> rerank = Qwen3RerankFunction("Qwen/Qwen3-Reranker-0.6B")
    >>> results = rerank("Which planet is red?", ["Venus is hot.", "Mars is red.", "Jupiter"], top_k=2)
    >>> len(results), 0 <= results[1].score <= results[0].score <= 1
    (2, True)
    """

    def __init__(
        self,
        model_name: str | Path = "Qwen/Qwen3-Reranker-0.6B",
        device: str | None = "",
        batch_size: int = 32,
        instruction: str = INSTRUCTION,
        *,
        dtype: str = "float32",
        max_length: int = 8192,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        refuse_keywords(self, kwargs)
        check_text(instruction, "instruction")
        folder = self._read_from(models.path(str(model_name)))
        self.weights = BertWeights.load(folder, dtype)
        if not self.weights.config.causal:
            kind = self.weights.config.model_type
            raise ValueError(f"expected a decoder, got {kind} in {folder}: give it to CrossEncoderRerankFunction")
        self.prefix, self.suffix = (_ids(Tokenizer(folder, max_length), text) for text in (PREFIX, SUFFIX))
        self.tokenizer = Tokenizer(folder, max_length - len(self.prefix) - len(self.suffix))
        self.answers = _answer_ids(self.tokenizer)
        self.instruction = instruction
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    def scores(self, query: str, documents: Sequence[str]) -> Float[Array, "documents"]:
        """Return one score per document between 0 and 1, in input order and the dtype of the weights."""
        tokens = self.tokens(query, documents)
        scores = np.empty(len(tokens), dtype=self.weights.dtype)
        for rows, values in self.encoder.map(tokens, self._head):
            scores[rows] = values
        return scores

    def tokens(self, query: str, documents: Sequence[str]) -> Tokens:
        """Return the token ids of the prompts."""
        pairs = [f"<Instruct>: {self.instruction}\n<Query>: {query}\n<Document>: {text}" for text in documents]
        bodies = self.tokenizer(pairs)
        parts = np.split(bodies.input_ids, bodies.starts[1:])[: len(bodies)]
        prompts = [piece for part in parts for piece in (self.prefix, part, self.suffix)]
        ids = np.concatenate([np.empty(0, dtype=np.int64), *prompts])
        lengths = bodies.lengths + len(self.prefix) + len(self.suffix)
        return Tokens(ids, np.zeros_like(ids), lengths, bodies.truncated, bodies.pad_token_id)

    def _head(
        self, hidden_states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"]
    ) -> Float[Array, "texts"]:
        logits = next_token_logits(self.weights, hidden_states[np.cumsum(lengths) - 1], self.answers)
        return np.asarray(expit(logits[:, 1] - logits[:, 0]))


def _ids(tokenizer: Tokenizer, text: str) -> Int[Array, "tokens"]:
    return tokenizer([text]).input_ids


def _answer_ids(tokenizer: Tokenizer) -> Int[Array, "2"]:
    ids = [_ids(tokenizer, answer) for answer in ANSWERS]
    if any(len(tokens) != 1 for tokens in ids):
        raise ValueError('expected a vocabulary with the tokens "no" and "yes": give a Qwen3-Reranker')
    return np.concatenate(ids)
