"""Sentence-transformers models with a BERT-like encoder: tokenizer, encoder, pooling, Dense and Normalize."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.prompts import UnappliedSettings
from refimpl.bert.routes import each_once, task_modules
from refimpl.bert.weights import BertWeights
from refimpl.common.arguments import check_device, refuse_keywords
from refimpl.common.texts import check_text, check_texts
from refimpl.common.types import Array
from refimpl.dense.modules import Modules, read_routes
from refimpl.dense.routes import EncoderRoute, Route, StaticRoute
from refimpl.pickling import ModelFunction

FROM_THE_FOLDER = "it is read from the model's folder"
FROM_MODELS = "refimpl.models determines where files come from"
IN_NUMPY = "refimpl computes in numpy, without torch"
UNSUPPORTED = {  # sentence-transformers' own parameters, which pymilvus.model passes on
    "backend": IN_NUMPY,
    "cache_folder": FROM_MODELS,
    "config_kwargs": FROM_THE_FOLDER,
    "default_prompt_name": "query_prompt_name and doc_prompt_name are the parameters here",
    "local_files_only": FROM_MODELS,
    "model_card_data": "nothing is published from here",
    "model_kwargs": IN_NUMPY,
    "modules": FROM_THE_FOLDER,
    "processor_kwargs": FROM_THE_FOLDER,
    "prompts": FROM_THE_FOLDER,
    "revision": FROM_MODELS,
    "similarity_fn_name": "vectors are returned, not compared",
    "token": FROM_MODELS,
    "tokenizer_kwargs": FROM_THE_FOLDER,
    "truncate_dim": "vectors have the model's dimensions",
    "trust_remote_code": "code from a model's folder is never run",
    "use_auth_token": FROM_MODELS,
}


class SentenceTransformerEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Sentence embeddings of a sentence-transformers model, as that library computes them.

    Parameters
    ----------
    model_name
        A folder, a hub repository, or a name of the sentence-transformers organisation on the hub.
    batch_size
        Texts per forward pass.
    query_instruction, doc_instruction
        Text to prepend to each query or document, after the prompt.
    device
        "cpu", "" or None.
    normalize_embeddings
        Whether to normalise vectors to unit length at the end, in addition to the model's own modules.
    dtype
        "float32" computes with the packed forward; "float64" with the textbook forward, the reference.
    max_length
        Tokens per text, special tokens included; by default the model's. Longer texts are truncated, with a
        TruncationWarning.
    query_prompt_name, doc_prompt_name
        Names of prompts in config_sentence_transformers.json; by default the model's default prompt, if it has one, for
        `encode_queries` and `encode_documents`, and query and document for `encode_query` and `encode_document`.
    task
        The LoRA adapter of a model that has some, such as "retrieval.query" of jina-embeddings-v3, as
        sentence-transformers' `encode(task=...)`; by default none. It names no prompt.
    show_progress
        Whether to show a progress bar on stderr.
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
        If an argument is out of range, or the model has no prompt or no task of that name.
    TypeError
        If a keyword has no effect here.

    Warns
    -----
    PromptWarning
        Once each, by `encode_queries` and `encode_documents` of a model with prompts (or lengths) for queries and
        documents: as in pymilvus.model they are not applied unless named.
    TruncationWarning
        When encoding texts that exceed the maximum length.

    Notes
    -----
    `encode_queries`, `encode_documents` and `__call__` are pymilvus.model's, which call sentence-transformers'
    `encode`. `encode_query` and `encode_document` are sentence-transformers' own: the prompts named query and
    document, and `query_length` and `document_length` of sentence_bert_config.json.

    Supported are modules.json with Transformer (the architectures of `refimpl.bert.architectures`), Pooling in all its
    modes, StaticEmbedding, Dense, LayerNorm, Dropout and Normalize; a Router, whose query route encodes queries and
    whose document route documents; and the prompts. Reimers and Gurevych 2019; file formats of sentence-transformers 6.

    Examples
    --------
    >>> from refimpl import SentenceTransformerEmbeddingFunction
    >>> embed = SentenceTransformerEmbeddingFunction("all-MiniLM-L6-v2", query_instruction="query: ")
    >>> embed.encode_documents(["Mars is red."]).shape
    (1, 384)
    >>> bool((embed.encode_queries(["red"]) == embed(["query: red"])).all())
    True
    """

    def __init__(
        self,
        model_name: str | Path = "all-MiniLM-L6-v2",
        batch_size: int = 32,
        query_instruction: str = "",
        doc_instruction: str = "",
        device: str | None = "cpu",
        normalize_embeddings: bool = True,
        *,
        dtype: str = "float32",
        max_length: int | None = None,
        query_prompt_name: str | None = None,
        doc_prompt_name: str | None = None,
        task: str | None = None,
        show_progress: bool = False,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_device(device)
        refuse_keywords(self, kwargs, UNSUPPORTED)
        check_text(query_instruction, "query_instruction")
        check_text(doc_instruction, "doc_instruction")
        folder = self._read_from(model_folder(model_name))
        options = {"dtype": dtype, "max_length": max_length, "adapter": task}
        self._routes = _routes(folder, {**options, "batch_size": batch_size, "num_workers": num_workers})
        self._main = self._routes[next(task for task in ("document", None, "query") if task in self._routes)]
        self.modules = self._main.modules
        self.query_instruction, self.doc_instruction = query_instruction, doc_instruction
        names = {"query": query_prompt_name, "document": doc_prompt_name}
        self._named = tuple(task for task, name in names.items() if name is not None)
        self.query_prompt, self.doc_prompt = map(self.modules.prompt, names.values())
        applied = {"query": self.query_prompt, "document": self.doc_prompt}
        lengths = {task: self._routes[task].lengths.get(task) for task in names if task in self._routes}
        self._unapplied = UnappliedSettings(self.modules.prompts, applied, lengths, self._named)
        self.normalize_embeddings, self.show_progress = normalize_embeddings, show_progress

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.modules.vector_dim

    @property
    def weights(self) -> BertWeights:
        """Weights of the encoder of documents; AttributeError where documents have a StaticEmbedding."""
        if isinstance(self._main, StaticRoute):
            raise AttributeError("weights: expected an encoder of documents, got a StaticEmbedding")
        return self._main.weights

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of documents with their prompt and instruction, in input order."""
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        self._unapplied.warn("document")
        return self._encode(texts, self.doc_prompt, "document")

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of queries with their prompt and instruction, in input order."""
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        self._unapplied.warn("query")
        return self._encode(texts, self.query_prompt, "query")

    def encode_document(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of documents as sentence-transformers' `encode_document` computes them.

        With the prompt named document and the model's `document_length`; a prompt and a `max_length` of the constructor
        have precedence. The instruction follows the prompt.
        """
        texts = [self.doc_instruction + text for text in check_texts(documents, "documents")]
        prompt = self.doc_prompt if "document" in self._named else self.modules.prompt("document")
        return self._encode(texts, prompt, "document", length_of="document")

    def encode_query(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of queries as sentence-transformers' `encode_query` computes them.

        With the prompt named query and the model's `query_length`; a prompt and a `max_length` of the constructor have
        precedence. The instruction follows the prompt.
        """
        texts = [self.query_instruction + text for text in check_texts(queries, "queries")]
        prompt = self.query_prompt if "query" in self._named else self.modules.prompt("query")
        return self._encode(texts, prompt, "query", length_of="query")

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors `(texts, dim)` of texts with the model's default prompt and no instruction."""
        return self._encode(check_texts(texts, "texts"), self.modules.prompt(None), None)

    def _encode(self, texts: list[str], prompt: str, task: str | None, length_of: str | None = None) -> Array:
        if task not in self._routes:
            task_modules(self._model.folder, task)  # raises RouteError, which names what the Router has
        return self._routes[task].encode(texts, prompt, self.normalize_embeddings, self.show_progress, length_of)


def _routes(folder: Path, options: dict[str, Any]) -> dict[str | None, Route]:
    """Return the route of each task; tasks with the same modules share one."""

    def route(modules: Modules) -> Route:
        if not modules.is_static:
            return EncoderRoute(modules, **options)
        for name, parameter in (("max_length", "max_length"), ("adapter", "task")):
            if options[name] is not None:
                raise ValueError(f"{parameter} must be None for a StaticEmbedding, got {options[name]!r}")
        return StaticRoute(modules, options["dtype"])

    return each_once(read_routes(folder), route)


def model_folder(name: str | Path) -> Path:
    """Return the model's folder; a name that is neither a folder nor registered is sentence-transformers' own."""
    complete = not isinstance(name, str) or name in models.SOURCES or not models.HUB_NAME.fullmatch(f"x/{name}")
    if complete or Path(name).is_dir():
        return models.path(name)
    return models.path(f"sentence-transformers/{name}")
