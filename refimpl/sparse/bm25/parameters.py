"""The JSON file of a fitted BM25: pymilvus.model's keys, and further ones that it ignores.

One of those is `checksum`. A file without it is accepted only with pymilvus.model's keys and no other: it is one of
pymilvus.model's, of which no more than the structure can be validated.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.common.atomic import write_atomically
from refimpl.common.json_reader import CHECKSUM, JsonError, checksum, read_json
from refimpl.sparse.bm25.formulas import VARIANTS, Idf
from refimpl.sparse.bm25.statistics import CorpusStatistics

VERSION = "v1"
PYMILVUS_KEYS = {"version", "corpus_size", "avgdl", "idf_word", "idf_value", "k1", "b", "epsilon"}
MOST_COUNT = 1 << 53


class BM25FileError(ValueError):
    """A file of BM25 parameters is damaged, or of another format or version."""


@dataclass(frozen=True)
class BM25Parameters:
    """The content of a file; `statistics` is None if pymilvus.model wrote it, as it stores no document frequencies."""

    corpus_size: int
    avgdl: float
    vocabulary: dict[str, int]
    idf: Idf
    k1: float
    b: float
    epsilon: float
    delta: float
    variant: str
    statistics: CorpusStatistics | None
    analyzer_fingerprint: str | None


def write_parameters(path: str | os.PathLike[str], parameters: BM25Parameters) -> None:
    """Write `parameters` as JSON, atomically: at every instant `path` is the complete old file or the new one."""
    content: dict[str, Any] = {
        "version": VERSION,
        "corpus_size": parameters.corpus_size,
        "avgdl": parameters.avgdl,
        "idf_word": list(parameters.vocabulary),
        "idf_value": parameters.idf.tolist(),
        "k1": parameters.k1,
        "b": parameters.b,
        "epsilon": parameters.epsilon,
        "variant": parameters.variant,
        "delta": parameters.delta,
        "analyzer_fingerprint": parameters.analyzer_fingerprint,
    }
    if (statistics := parameters.statistics) is not None:
        content["total_len"] = statistics.total_len
        content["n_empty"] = statistics.n_empty
        content["df"] = statistics.df.tolist()
        content["n_docs"] = statistics.n_docs
    write_atomically(Path(path), json.dumps({CHECKSUM: checksum(content)} | content, allow_nan=False))


def read_parameters(path: str | os.PathLike[str]) -> BM25Parameters:
    """Read a file that `write_parameters` or pymilvus.model's `save` wrote.

    Raises
    ------
    FileNotFoundError
    BM25FileError
        for a file that is truncated, damaged, or of another format or version.
    """
    try:
        content = read_json(Path(path), lone_surrogates=True)  # a term may have one
    except JsonError as error:
        raise BM25FileError(f"{error}: save the parameters again") from error
    fields = _Fields(content, Path(path))
    words: list[str] = fields.list_of("idf_word", lambda word: isinstance(word, str), "str")
    values = fields.list_of("idf_value", _is_finite, "finite numbers")
    if len(words) != len(values) or len(set(words)) != len(words):
        raise BM25FileError(f"{path}: expected idf_word and idf_value of equal length, no word twice: save it again")
    vocabulary = {word: number for number, word in enumerate(words)}
    parameters = BM25Parameters(
        corpus_size=fields.count("corpus_size", least=1),
        avgdl=fields.number("avgdl", above=0.0),
        vocabulary=vocabulary,
        idf=np.array(values, np.float64),
        k1=fields.number("k1"),
        b=fields.number("b", most=1.0),
        epsilon=fields.number("epsilon"),
        delta=fields.number("delta", default=0.0),
        variant=fields.one_of("variant", VARIANTS, "pymilvus"),
        statistics=_statistics(fields, vocabulary),
        analyzer_fingerprint=fields.text("analyzer_fingerprint"),
    )
    fields.check_checksum()
    return parameters


def _statistics(fields: "_Fields", vocabulary: dict[str, int]) -> CorpusStatistics | None:
    if "df" not in fields.content:
        return None
    n_docs = fields.count("n_docs", least=1)
    df = fields.list_of(
        "df", lambda value: type(value) is int and 0 < value <= n_docs, f"whole numbers of 1 to {n_docs}"
    )
    if len(df) != len(vocabulary):
        raise BM25FileError(f"{fields.path}: df has {len(df)} entries for {len(vocabulary)} words: save it again")
    n_empty, total_len = fields.count("n_empty", most=n_docs), fields.count("total_len", least=sum(df))
    return CorpusStatistics(n_docs, n_empty, total_len, vocabulary, np.array(df, np.int64))


class _Fields:
    """The keys of one JSON object, each checked when it is read."""

    def __init__(self, content: object, path: Path) -> None:
        if not isinstance(content, dict):
            raise BM25FileError(f"{path}: expected a JSON object of BM25 parameters, got {type(content).__name__}")
        if content.get("version") != VERSION:
            raise BM25FileError(
                f"{path} has version {content.get('version')!r}, expected {VERSION!r}: "
                "it is not a file of BM25 parameters, or is of another release: fit and save again"
            )
        self.content: dict[str, Any] = content
        self.path = path

    def number(
        self, key: str, *, above: float = -1e-300, most: float = math.inf, default: float | None = None
    ) -> float:
        value = self._get(key, default)
        if not _is_finite(value) or not above < value <= most:
            raise BM25FileError(f"{self.path}: {key} is {value!r:.60}, out of its range: save it again")
        return float(value)

    def count(self, key: str, *, least: int = 0, most: int = MOST_COUNT) -> int:
        value = self._get(key, None)
        if type(value) is not int or not least <= value <= most:
            raise BM25FileError(f"{self.path}: {key} is {value!r:.60}, out of its range: save it again")
        return value

    def check_checksum(self) -> None:
        others = self.content.keys() - PYMILVUS_KEYS
        expected = self.content.get(CHECKSUM)
        if others and expected != checksum(self.content):
            what = "differs from its checksum" if expected else f"has no checksum, but the key {min(others)!r:.40}"
            raise BM25FileError(f"{self.path} is damaged, or of an earlier release: it {what}: fit and save again")

    def list_of(self, key: str, is_valid: Callable[[Any], bool], kind: str) -> list[Any]:
        value = self._get(key, None)
        if not isinstance(value, list) or not value or not all(map(is_valid, value)):
            raise BM25FileError(f"{self.path}: {key} must be a list of {kind}: save it again")
        return value

    def one_of(self, key: str, known: dict[str, Any], default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or value not in known:
            raise BM25FileError(f"{self.path}: {key} is {value!r:.60}, must be one of {', '.join(known)}")
        return value

    def text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise BM25FileError(f"{self.path}: {key} must be a str, got {value!r:.60}")
        return value

    def _get(self, key: str, default: object) -> Any:
        if key not in self.content and default is None:
            raise BM25FileError(f"{self.path} lacks {key!r}: it is damaged, or not a file of BM25 parameters")
        return self.content.get(key, default)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
