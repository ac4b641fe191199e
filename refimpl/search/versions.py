"""The features that fields need of a Milvus server, and the version that introduced each."""

import re
from collections.abc import Sequence

from refimpl.search.fields import DenseField, Field, FullTextField
from refimpl.search.milvus_uri import redacted

SINCE = {  # feature: the Milvus version that introduced it, by Milvus' release notes
    "upsert and the COSINE metric": (2, 3),
    "sparse vectors": (2, 4),
    "several vector fields and hybrid search": (2, 4),
    "the BM25 function": (2, 5),
}


class MilvusVersionError(OSError):
    """The Milvus server is older than a feature that the fields need; the message names both versions."""


def check_version(version: str, fields: Sequence[Field], uri: str) -> None:
    """Raise MilvusVersionError where a server of this version lacks a feature that the fields need.

    A version without a number in it, as a development build has, passes.
    """
    number = re.search(r"(?<![\d.])(\d+)\.(\d+)", version)
    if number is None:
        return
    server = (int(number[1]), int(number[2]))
    missing = {feature: names for feature, names in _needed_features(fields).items() if server < SINCE[feature]}
    if missing:
        required = max(SINCE[feature] for feature in missing)
        features = "; ".join(f"{feature} ({', '.join(names)})" for feature, names in missing.items())
        raise MilvusVersionError(
            f"expected Milvus {required[0]}.{required[1]} or newer at {redacted(uri)}, got {version}, "
            f"which lacks {features}: update the server, omit these systems, or omit --uri to use Milvus Lite"
        )


def _needed_features(fields: Sequence[Field]) -> dict[str, list[str]]:
    """The features of `SINCE` that the fields need, each with the names of the fields."""
    names = [field.name for field in fields]
    features = {
        "upsert and the COSINE metric": names,
        "sparse vectors": [field.name for field in fields if not isinstance(field, DenseField)],
        "several vector fields and hybrid search": names if len(names) > 1 else [],
        "the BM25 function": [field.name for field in fields if isinstance(field, FullTextField)],
    }
    return {feature: needed_by for feature, needed_by in features.items() if needed_by}
