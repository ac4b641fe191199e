"""Model2Vec static embeddings: a text's vector is the mean of its tokens' vectors in an embedding table.

Source of format and arithmetic: documentation and model cards of model2vec 0.10 (Tulkens and van Dongen 2024).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tokenizers
from jaxtyping import Float
from scipy.sparse import csr_array

from refimpl import models
from refimpl.base import BaseEmbeddingFunction
from refimpl.bert.files import WeightsError, map_safetensors, read_json
from refimpl.bert.routes import one_list
from refimpl.bert.sentence_files import check_keys, read_prompts, read_sentence_settings
from refimpl.common.arguments import refuse_keywords
from refimpl.common.json_reader import parse_json
from refimpl.common.tensors import as_float
from refimpl.common.texts import check_encodable, check_texts
from refimpl.common.tokenizer_file import panics_as_errors
from refimpl.common.types import Array
from refimpl.dense.static_embedding import load_tokenizer, mean_shares, rows_and_weights
from refimpl.pickling import ModelFunction

LAYOUTS = (  # settings file, folder of weights and tokenizer, name of the embedding table
    ("config.json", ".", "embeddings"),
    ("config_sentence_transformers.json", ".", "embedding.weight"),
    ("config_sentence_transformers.json", "0_StaticEmbedding", "embedding.weight"),
)
MAX_LENGTH = 512
TEXTS_AT_A_TIME = 1024
WITHOUT_EFFECT = (  # of the settings that model2vec saves
    *("model_type", "architectures", "tokenizer_name", "apply_pca", "apply_zipf", "sif_coefficient", "hidden_dim"),
    *("seq_length", "pooling", "embedding_dtype", "vocabulary_quantization", "head_config", "transformers_version"),
)
FROM_THE_FOLDER = "it is read from the model's folder"
FROM_MODELS = "refimpl.models determines where files come from"
UNSUPPORTED = {  # parameters of model2vec's from_pretrained, which pymilvus.model passes on
    "dimensionality": "vectors have the model's dimensions",
    "force_download": FROM_MODELS,
    "max_length": FROM_THE_FOLDER,
    "normalize": FROM_THE_FOLDER,
    "quantize_to": "vectors are float32",
    "subfolder": "give the folder as model_source",
    "token": FROM_MODELS,
    "vocabulary_quantization": FROM_THE_FOLDER,
}
SMALLEST = np.float32(1e-32)  # the vector of a text without tokens stays zero


class Model2VecEmbeddingFunction(ModelFunction, BaseEmbeddingFunction):
    """Static embeddings of a Model2Vec model, float32.

    Parameters
    ----------
    model_source
        A folder or a hub repository. Models with a quantised vocabulary (`mapping`, `weights`) are supported.
    **kwargs
        Further keywords of model2vec's `from_pretrained`, accepted where they are None or False.

    Raises
    ------
    FileNotFoundError
        If the folder is not a Model2Vec model.
    WeightsError
        If a setting or module of the folder is not supported; the message names file and key.
    ValueError
        If the shapes of embedding table, mapping, weights and vocabulary do not match.
    TypeError
        If a keyword has no effect here.

    Notes
    -----
    The mean of the token vectors, without special and unknown tokens; zero for a text without any other token. Texts
    are truncated as in model2vec: to `max_length` times the median characters per token, then to `max_length` tokens,
    unknown ones included. `max_length` (default 512) and `normalize` (default False) are read from the folder's
    settings. Tulkens and van Dongen 2024.

    Examples
    --------
    >>> from refimpl import Model2VecEmbeddingFunction
    >>> embed = Model2VecEmbeddingFunction("minishlab/potion-base-8M")
    >>> vectors = embed.encode_documents(["Mars is red.", ""])
    >>> vectors.shape
    (2, 256)
    >>> bool(vectors[1].any())
    False
    """

    MODEL: ClassVar[str] = "model_source"

    def __init__(self, model_source: str | Path = "minishlab/potion-base-8M", **kwargs: Any) -> None:
        refuse_keywords(self, kwargs, UNSUPPORTED)
        settings_file, folder, name = _layout(self._read_from(models.path(model_source)))
        tensors = map_safetensors(folder / "model.safetensors")
        if name not in tensors:
            raise ValueError(
                f"{folder / 'model.safetensors'}: expected the embedding table {name!r}, got {', '.join(tensors)[:80]}"
            )
        settings, table = _settings(settings_file), tensors[name]
        self.vectors = table.astype(np.float32) if table.dtype.kind == "i" else as_float(table, np.dtype(np.float32))
        self.normalize, self.max_length = bool(settings["normalize"]), settings["max_length"]
        self._tokenizer = load_tokenizer(folder)
        self._tokenizer_file = folder / "tokenizer.json"
        self._tokenizer.no_truncation()
        if self.max_length is not None:
            self._tokenizer.enable_truncation(self.max_length)
        vocabulary = self._tokenizer.get_vocab()
        self._median_characters = int(np.median([len(token) for token in vocabulary]))
        self._unknown = _unknown_id(self._tokenizer)
        tokens = max(vocabulary.values()) + 1
        self._rows, weights = rows_and_weights(tensors, tokens, len(self.vectors), folder)
        self._weights = weights.astype(np.float32)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self.vectors.shape[1])

    def encode_documents(self, documents: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of documents, `(texts, dim)` in input order; `(0, dim)` for an empty list."""
        return self._encode(check_texts(documents, "documents"))

    def encode_queries(self, queries: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of queries, computed as those of documents."""
        return self._encode(check_texts(queries, "queries"))

    def __call__(self, texts: Sequence[str]) -> Float[Array, "texts dim"]:
        """Return the vectors of texts, computed as those of documents."""
        return self._encode(check_texts(texts, "texts"))

    def _encode(self, texts: list[str]) -> Array:
        check_encodable(texts, "texts")
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            batch = texts[start : start + TEXTS_AT_A_TIME]
            vectors[start : start + len(batch)] = self._means(batch) @ self.vectors
        if self.normalize:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + SMALLEST
        return vectors

    def _means(self, texts: list[str]) -> csr_array:
        """Return a matrix `(texts, rows)` whose product with the embedding table is each text's mean."""
        if self.max_length is not None:
            texts = [text[: self.max_length * self._median_characters] for text in texts]
        with panics_as_errors(self._tokenizer_file):
            encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [[token for token in encoding.ids if token != self._unknown] for encoding in encodings]
        return mean_shares(ids, self._rows, self._weights, len(self.vectors))


def _layout(root: Path) -> tuple[Path, Path, str]:
    for settings, folder, name in LAYOUTS:
        needed = (root / settings, root / folder / "model.safetensors", root / folder / "tokenizer.json")
        if all(file.is_file() for file in needed):
            return root / settings, root / folder, name
    raise FileNotFoundError(
        f"expected a Model2Vec folder with config.json, model.safetensors and tokenizer.json, got {root}"
    )


def _settings(file: Path) -> dict[str, Any]:
    """Read the settings of a folder, with their defaults; WeightsError, which names file and key, for any other.

    Where the folder has a modules.json, as those that model2vec saves, its modules must compute the same.
    """
    config = read_json(file)
    if file.name == "config.json":
        check_keys(file, config, ("max_length", *WITHOUT_EFFECT), {"normalize": (False, True)})
    else:
        config = read_sentence_settings(file, "SentenceTransformer")
        _, default = read_prompts(file.parent, config)
        if config.get("truncate_dim") is not None:
            raise WeightsError(f"{file}: expected truncate_dim None, got {config['truncate_dim']!r}: it has no effect")
        if default is not None:
            raise WeightsError(f"{file}: expected default_prompt_name None, got {default!r}: model2vec has no prompts")
    settings = {"normalize": False, "max_length": MAX_LENGTH, **config}
    if (length := settings["max_length"]) is not None and (type(length) is not int or not 0 < length < 1 << 31):
        raise WeightsError(f"{file}: expected max_length to be a positive integer or null, got {length!r}")
    if (modules := file.parent / "modules.json").is_file():
        expected = ["StaticEmbedding", "Normalize"][: 1 + settings["normalize"]]
        if (kinds := [kind for kind, _ in one_list(file.parent)]) != expected:
            raise WeightsError(f"{modules}: expected {', '.join(expected)}, as {file.name}, got {', '.join(kinds)}")
    return settings


def _unknown_id(tokenizer: tokenizers.Tokenizer) -> int | None:
    """Return the id of the unknown token, or None if the tokenizer has none."""
    model: dict[str, Any] = parse_json(tokenizer.to_str(), "the tokenizer")["model"]
    if model.get("unk_token") is not None:
        return tokenizer.token_to_id(model["unk_token"])
    return model.get("unk_id")
