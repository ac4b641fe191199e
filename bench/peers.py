"""The other libraries: each is raced where it is installed, and named aloud where it is not."""

import importlib
from dataclasses import dataclass, field
from types import ModuleType

from refimpl.common import stamp

DISTRIBUTIONS = {
    "bm25_turbo_python": "bm25-turbo",
    "bm25s": "bm25s",
    "cohere": "cohere",
    "faiss": "faiss-cpu",
    "fastembed": "fastembed",
    "huggingface_hub": "huggingface_hub",
    "model2vec": "model2vec",
    "nltk": "nltk",
    "numba": "numba",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "openai": "openai",
    "pymilvus": "pymilvus",
    "pymilvus.model": "pymilvus.model",
    "rank_bm25": "rank-bm25",
    "sentence_transformers": "sentence-transformers",
    "tantivy": "tantivy",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
    "voyageai": "voyageai",
    "xllamacpp": "xllamacpp",
}


@dataclass
class Peers:
    """Versions of the peers that were imported in this session, and the reasons why others were not."""

    present: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def get(self, module: str) -> ModuleType | None:
        """The imported module, or None (and remembered as absent) where it is not installed or does not import."""
        distribution = DISTRIBUTIONS.get(module, module)
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            self.absent[distribution] = str(error).splitlines()[0]
            return None
        self.present[distribution] = stamp.library_version(distribution)
        return found


peers = Peers()
get = peers.get
