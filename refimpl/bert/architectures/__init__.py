"""Architectures as differences from BERT, and which one a config.json describes."""

from refimpl.bert.architectures.bert_family import BERT, FAMILY, PROJECTION
from refimpl.bert.architectures.decoders import DECODERS
from refimpl.bert.architectures.modern import MODERN
from refimpl.bert.architectures.record import POSITION_BUCKETS, RELATIVE_TABLE, Architecture, Published

__all__ = [
    "ARCHITECTURES",
    "BERT",
    "POSITION_BUCKETS",
    "PROJECTION",
    "RELATIVE_TABLE",
    "Architecture",
    "architecture_name",
]

ARCHITECTURES: dict[str, Architecture] = {**FAMILY, **MODERN, **DECODERS}
"""By the name that `architecture_name` gives."""
REMOTE_CODE = {
    ("bert", "position_embedding_type", "alibi"): "jina_bert",
    ("xlm-roberta", "position_embedding_type", "rotary"): "jina_embeddings_v3",
}
"""Models with code of their own under another architecture's model_type: model_type, key and value -> name."""


def architecture_name(published: Published) -> object:
    """The key of `ARCHITECTURES` for a config.json: model_type, unless another key shows another architecture."""
    kind = published.get("model_type")
    for (model_type, key, value), name in REMOTE_CODE.items():
        if kind == model_type and published.get(key) == value:
            return name
    return "nomic_bert_original" if kind == "nomic_bert" and "n_embd" in published else kind
