"""Texts to vectors by one route of a folder: an encoder and its modules, or a StaticEmbedding and its modules."""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float, Int

from refimpl.bert.encoder import Encoder
from refimpl.bert.heads import l2_normalize
from refimpl.bert.weights import BertWeights
from refimpl.common.progress import progress
from refimpl.common.types import Array
from refimpl.dense.modules import Modules
from refimpl.dense.static_embedding import StaticEmbedding
from refimpl.dense.vectors import encode_texts
from refimpl.tokens import Tokenizer


class EncoderRoute:
    """A route whose first module is a Transformer; the parameters are the embedding function's."""

    def __init__(
        self,
        modules: Modules,
        *,
        dtype: str,
        max_length: int | None,
        adapter: str | None,
        batch_size: int,
        num_workers: int | None,
    ) -> None:
        self.modules = modules
        self.weights = BertWeights.load(modules.transformer, dtype, adapter)
        lengths = {} if max_length is not None else modules.lengths
        self.tokenizer = self._tokenizer(max_length)
        self._tokenizers = {task: self._tokenizer(length) for task, length in lengths.items() if length is not None}
        self.encoder = Encoder(self.weights, batch_size=batch_size, num_workers=num_workers)

    @property
    def lengths(self) -> dict[str, int]:
        """Tokens per text of the tasks query and document, where the folder has a length of their own."""
        return {task: tokenizer.max_length for task, tokenizer in self._tokenizers.items()}

    def encode(
        self, texts: list[str], prompt: str, normalize: bool, show_progress: bool, length_of: str | None = None
    ) -> Float[Array, "texts dim"]:
        """Return the vectors of texts with `prompt` before each, of unit length with `normalize`.

        `length_of` is the task whose length the texts are truncated at, None for that of texts without a task.
        """
        tokenizer = self._tokenizers.get(length_of or "", self.tokenizer)
        skipped = 0 if self.modules.include_prompt or not prompt else self.tokenizer.prompt_length(prompt)
        head: Callable[[Array, Array], Array] = partial(self._head, prompt_tokens=skipped, normalize=normalize)
        prompted, dim = [prompt + text for text in texts], self.modules.vector_dim
        return encode_texts(prompted, tokenizer, self.encoder, head, dim, show_progress=show_progress, stacklevel=5)

    def _tokenizer(self, max_length: int | None) -> Tokenizer:
        positions, lowercase = self.weights.config.longest_text, self.modules.lowercase
        return Tokenizer(self.modules.transformer, max_length, positions=positions, lowercase=lowercase)

    def _head(
        self, states: Float[Array, "tokens hidden"], lengths: Int[Array, "texts"], prompt_tokens: int, normalize: bool
    ) -> Float[Array, "texts dim"]:
        vectors = self.modules.vectors(states, lengths, prompt_tokens)
        return l2_normalize(vectors) if normalize else vectors


class StaticRoute:
    """A route whose first module is a StaticEmbedding."""

    def __init__(self, modules: Modules, dtype: str) -> None:
        self.modules = modules
        self.embedding = StaticEmbedding(modules.transformer, dtype)
        self.lengths = dict[str, int]()

    def encode(
        self, texts: list[str], prompt: str, normalize: bool, show_progress: bool, length_of: str | None = None
    ) -> Float[Array, "texts dim"]:
        """Return the vectors of texts, as `EncoderRoute.encode`; a text is not truncated."""
        with progress("embedding", len(texts), show_progress) as advance:
            vectors = self.modules.finished(self.embedding([prompt + text for text in texts]))
            advance(len(texts))
        vectors = vectors.astype(self.embedding.dtype, copy=False)
        return l2_normalize(vectors) if normalize else vectors


Route = EncoderRoute | StaticRoute
