"""Any BERT-like sentence-transformers model: tokens, the encoder, pooling, and the folder's own steps on vectors."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from refimpl import models
from refimpl.base import check_text, check_texts
from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import l2_normalize
from refimpl.bert.pooling import pool
from refimpl.bert.weights import BertWeights
from refimpl.dense.modules import read_modules
from refimpl.dense.vectors import encoded
from refimpl.tokens import Tokenizer

Array = np.ndarray


class SentenceTransformerEmbeddingFunction:
    """Sentence vectors of a published sentence-transformers folder, as that library computes them.

    `model_name` is a folder, a hub repository, or a bare name of the sentence-transformers organisation. Read are
    modules.json with Transformer (the architectures of `bert/architectures.py`), Pooling in all its modes, Dense and
    Normalize, and the prompts; a module or architecture that is not known is named and refused. Each text gets the
    folder's default prompt (or the one named by `query_prompt_name`, `doc_prompt_name`), then the instruction.

    `normalize_embeddings` gives unit length at the end, whatever the folder does. A text beyond `max_length` tokens
    (default: what the folder states) is cut, and a TruncationWarning says how many were. `dtype="float32"` runs the
    packed forward on `num_workers` threads; `dtype="float64"` the textbook one, and is the oracle.
    """

    def __init__(
        self,
        model_name: str | Path = "all-MiniLM-L6-v2",
        batch_size: int = 32,
        query_instruction: str = "",
        doc_instruction: str = "",
        device: str = "cpu",
        normalize_embeddings: bool = True,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        query_prompt_name: str | None = None,
        doc_prompt_name: str | None = None,
        show_progress: bool = False,
        num_workers: int | None = None,
    ) -> None:
        if device != "cpu":
            raise ValueError(f"device must be 'cpu', got {device!r}: refimpl computes in numpy")
        check_text(query_instruction, "query_instruction")
        check_text(doc_instruction, "doc_instruction")
        self.modules = read_modules(model_folder(model_name))
        folder = self.modules.transformer
        self.weights = BertWeights.load(folder, dtype)
        positions = self.weights.config.longest_text
        self.tokenizer = Tokenizer(folder, max_length, positions=positions, lowercase=self.modules.lowercase)
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)
        self.query_instruction, self.doc_instruction = query_instruction, doc_instruction
        self.query_prompt, self.doc_prompt = map(self.modules.prompt, (query_prompt_name, doc_prompt_name))
        self.normalize_embeddings, self.show_progress = normalize_embeddings, show_progress

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self.modules.dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors `(texts, dim)` in input order, `doc_instruction` put before each document."""
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        return self._encode(texts, self.doc_prompt)

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors `(texts, dim)` in input order, `query_instruction` put before each query."""
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        return self._encode(texts, self.query_prompt)

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Vectors `(texts, dim)` without an instruction, with the folder's default prompt."""
        return self._encode(check_texts(texts, "texts"), self.modules.prompt(None))

    def _encode(self, texts: list[str], prompt: str) -> Array:
        skipped = 0 if self.modules.include_prompt or not prompt else self.tokenizer.prompt_length(prompt)
        head: Callable[[Array, Array], Array] = partial(self._head, prompt_tokens=skipped)
        prompted = [prompt + text for text in texts]
        return encoded(prompted, self.tokenizer, self.encoder, head, self.dim, show_progress=self.show_progress)

    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"], prompt_tokens: int
    ) -> Float[Array, "texts dim"]:
        vectors = pool(states, lengths, self.modules.pooling, prompt_tokens)
        for step in self.modules.steps:
            vectors = step(vectors)
        return l2_normalize(vectors) if self.normalize_embeddings else vectors


def model_folder(name: str | Path) -> Path:
    """The folder of a model; a bare name that is no folder and not known here is sentence-transformers' own."""
    known = not isinstance(name, str) or name in models.SOURCES or not models.HUB_NAME.fullmatch(f"x/{name}")
    if known or Path(name).is_dir():
        return models.path(name)
    return models.path(f"sentence-transformers/{name}")
