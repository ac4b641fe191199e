"""The JSON that BM25's fitted numbers are kept in: pymilvus.model's own keys, and a few more that it passes over."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.sparse.bm25.formulas import VARIANTS, Idf
from refimpl.sparse.bm25.statistics import CorpusStatistics
from refimpl.sparse.files import write_atomically

VERSION = "v1"


class BM25FileError(ValueError):
    """A file of BM25 parameters is damaged, foreign or of another version."""


@dataclass(frozen=True)
class BM25Parameters:
    """All that encoding needs; `statistics` is None for a file by pymilvus.model, which keeps no dfs."""

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
    """Write `parameters` as JSON, so that the file is at every instant the old one or the new one, whole."""
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
    write_atomically(Path(path), json.dumps(content, allow_nan=False).encode())


def read_parameters(path: str | os.PathLike[str]) -> BM25Parameters:
    """Read what `write_parameters` or pymilvus.model's `save` wrote.

    Raises FileNotFoundError, and BM25FileError for anything that is not such a file, whole and of version v1.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except ValueError as error:  # not JSON, cut short, or not UTF-8
        raise BM25FileError(f"{path} is not JSON, or cut short ({error}): save the parameters again") from error
    fields = _Fields(content, Path(path))
    words: list[str] = fields.list_of("idf_word", lambda word: isinstance(word, str), "str")
    values = fields.list_of("idf_value", _is_finite, "finite numbers")
    if len(words) != len(values) or len(set(words)) != len(words):
        raise BM25FileError(f"{path}: idf_word and idf_value must be as many, and no word twice: save it again")
    vocabulary = {word: number for number, word in enumerate(words)}
    return BM25Parameters(
        corpus_size=int(fields.number("corpus_size", above=0.0)),
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


def _statistics(fields: "_Fields", vocabulary: dict[str, int]) -> CorpusStatistics | None:
    if "df" not in fields.content:
        return None
    df = fields.list_of("df", lambda value: type(value) is int and value > 0, "whole numbers above 0")
    if len(df) != len(vocabulary):
        raise BM25FileError(f"{fields.path}: df has {len(df)} entries for {len(vocabulary)} words: save it again")
    n_docs, n_empty = int(fields.number("n_docs", above=0.0)), int(fields.number("n_empty"))
    return CorpusStatistics(
        n_docs, n_empty, int(fields.number("total_len", above=0.0)), vocabulary, np.array(df, np.int64)
    )


class _Fields:
    """The keys of one JSON object, each checked as it is taken."""

    def __init__(self, content: object, path: Path) -> None:
        if not isinstance(content, dict):
            raise BM25FileError(f"{path} holds a JSON {type(content).__name__}, not BM25 parameters")
        if content.get("version") != VERSION:
            raise BM25FileError(
                f"{path} has version {content.get('version')!r}, expected {VERSION!r}: "
                "it is no file of BM25 parameters, or one by another release; fit and save again"
            )
        self.content: dict[str, Any] = content
        self.path = path

    def number(
        self, key: str, *, above: float = -1e-300, most: float = math.inf, default: float | None = None
    ) -> float:
        value = self._taken(key, default)
        if not _is_finite(value) or not above < value <= most:
            raise BM25FileError(f"{self.path}: {key} is {value!r:.60}, which no BM25 has: save it again")
        return float(value)

    def list_of(self, key: str, fits: Callable[[Any], bool], kind: str) -> list[Any]:
        value = self._taken(key, None)
        if not isinstance(value, list) or not value or not all(map(fits, value)):
            raise BM25FileError(f"{self.path}: {key} must be a list of {kind}: save it again")
        return value

    def one_of(self, key: str, known: dict[str, Any], default: str) -> str:
        value = self._taken(key, default)
        if not isinstance(value, str) or value not in known:
            raise BM25FileError(f"{self.path}: {key} is {value!r:.60}, must be one of {', '.join(known)}")
        return value

    def text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise BM25FileError(f"{self.path}: {key} must be a str, got {value!r:.60}")
        return value

    def _taken(self, key: str, default: object) -> Any:
        if key not in self.content and default is None:
            raise BM25FileError(f"{self.path} lacks {key!r}: it is cut short or no file of BM25 parameters")
        return self.content.get(key, default)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
