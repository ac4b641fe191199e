"""Instructor: a T5 encoder reads an instruction before each text, and the mean leaves it out (Su et al. 2023)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Float

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.texts import check_text, check_texts
from refimpl.common.types import Array
from refimpl.dense.modules import Modules, read_modules
from refimpl.dense.routes import EncoderRoute
from refimpl.dense.sentence_transformer import UNSUPPORTED
from refimpl.pickling import ModelFunction


class InstructorEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Embeddings of the Instructor models, such as hkunlp/instructor-xl.

    Parameters
    ----------
    model_name
        A folder or a hub repository of a sentence-transformers model with mean pooling.
    batch_size
        Texts per forward pass.
    query_instruction, doc_instruction
        What the model reads before each query or document; a plain call has that of documents.
    device
        "cpu", "" or None.
    normalize_embeddings
        Whether to normalise vectors to unit length at the end, in addition to the model's own modules.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per instruction and text, special tokens included; by default the model's. Longer ones are truncated,
        with a TruncationWarning.
    num_workers
        Threads of the float32 forward; by default the cores that this process may use.
    **kwargs
        Further keywords of sentence-transformers, accepted where they are None or False.

    Raises
    ------
    FileNotFoundError
        If a file of the model folder is missing.
    WeightsError
        If the folder has an unsupported module, pooling mode, activation or architecture; the message names it.
    ValueError
        If an argument is out of range.
    TypeError
        If a keyword has no effect here.

    Notes
    -----
    The input is the instruction and the text without a space between them, each without spaces at its ends. The vector
    is the mean of the hidden states after as many tokens as the instruction alone has, the closing special token
    included; then the folder's Dense and Normalize. Su et al. 2023, "One Embedder, Any Task", section 2, and the code
    of InstructorEmbedding 1.0, which pymilvus.model has a copy of.

    Examples
    --------
    >>> from refimpl import InstructorEmbeddingFunction
    >>> embed = InstructorEmbeddingFunction("hkunlp/instructor-xl")
    >>> embed.encode_documents(["Mars is red.", "Venus"]).shape
    (2, 16)
    """

    def __init__(
        self,
        model_name: str | Path = "hkunlp/instructor-xl",
        batch_size: int = 32,
        query_instruction: str = "Represent the question for retrieval:",
        doc_instruction: str = "Represent the document for retrieval:",
        device: str | None = "cpu",
        normalize_embeddings: bool = True,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        refuse_keywords(self, kwargs, UNSUPPORTED)
        check_text(query_instruction, "query_instruction")
        check_text(doc_instruction, "doc_instruction")
        self.modules = _modules(self._read_from(models.path(model_name)))
        self._route = EncoderRoute(
            self.modules,
            dtype=dtype,
            max_length=max_length,
            adapter=None,
            batch_size=batch_size,
            num_workers=num_workers,
        )
        self.query_instruction, self.doc_instruction = query_instruction, doc_instruction
        self.normalize_embeddings = normalize_embeddings

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.modules.vector_dim

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of documents with their instruction, in input order."""
        return self._encode(check_texts(documents, "documents"), self.doc_instruction)

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of queries with their instruction, in input order."""
        return self._encode(check_texts(queries, "queries"), self.query_instruction)

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of texts, computed as those of documents."""
        return self._encode(check_texts(texts, "texts"), self.doc_instruction)

    def _encode(self, texts: list[str], instruction: str) -> Array:
        stripped = [text.strip() for text in texts]
        return self._route.encode(stripped, instruction.strip(), self.normalize_embeddings, show_progress=False)


def _modules(folder: Path) -> Modules:
    """Return the folder's modules, with the instruction left out of the mean; prompts have no effect, as in Instructor.

    Raises WeightsError for another pooling, and for a truncate_dim.
    """
    modules = read_modules(folder)
    if modules.pooling != ("mean",):
        raise WeightsError(
            f"{folder}: expected mean pooling, got {', '.join(modules.pooling)}: give an Instructor model"
        )
    if modules.truncate_dim is not None:
        file = folder / "config_sentence_transformers.json"
        raise WeightsError(f"{file}: expected truncate_dim None, got {modules.truncate_dim}: it is not supported")
    return replace(modules, include_prompt=False)
