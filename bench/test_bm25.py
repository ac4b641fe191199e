"""BM25: fitting, encoding, building an index and searching it, against other libraries.

These are pymilvus.model for fitting and encoding, and bm25s, bm25-turbo, rank_bm25 and tantivy for indexes.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench import bm25_peers, peers
from bench.bm25_judge import judged
from bench.bm25_peers import K1, Tantivy, Turbo
from bench.race import Correctness, Race
from bench.texts import fingerprint
from bench.zipf import QUERIES, ZipfCorpus
from refimpl import BM25EmbeddingFunction, build_analyzer, build_default_analyzer, models
from refimpl.datasets.python_docs import PythonDocs
from refimpl.sparse.bm25 import BM25WeightWarning

pytestmark = pytest.mark.filterwarnings(f"ignore::{BM25WeightWarning.__module__}.{BM25WeightWarning.__name__}")
K = 10
CORPORA = {"short": 200_000, "long": 2_000}
MOST_FOR_RANK_BM25 = 1_000_000  # queries times documents: about a second, where the others take milliseconds
PROSE = 400  # docstrings of numpy and scipy, for benchmarks with an analyzer


@cache
def prose() -> list[str]:
    return [doc.text for doc in PythonDocs(("numpy", "scipy"), max_documents=PROSE).documents()]


def analyzers(kind: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Refimpl's and pymilvus.model's default English analyzer, or refimpl's `simple` for both."""
    if kind == "simple":
        return (lambda: build_analyzer("simple")), (lambda: build_analyzer("simple"))
    _add_nltk_data_path()
    from pymilvus.model.sparse.bm25 import build_default_analyzer as theirs

    return (lambda: build_default_analyzer("en")), (lambda: theirs("en"))


def _add_nltk_data_path() -> None:
    if (nltk := peers.get("nltk")) is not None:
        nltk.data.path.insert(0, str(models.path("nltk-data")))


@pytest.mark.parametrize("kind", ["pymilvus-en", "simple"])
def test_fit(race: Race, kind: str) -> None:
    """`fit` and `encode_documents` of the same texts; refimpl's cache of words is empty at the start of each round."""
    texts, (our_analyzer, their_analyzer) = prose(), analyzers(kind)

    def fit(function: Any) -> Any:
        function.fit(texts)
        return function.encode_documents(texts)

    sides: dict[str, Callable[[], Any]] = {"refimpl": lambda: fit(BM25EmbeddingFunction(our_analyzer()))}
    if peers.get("pymilvus.model") is not None:
        from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs

        once = their_analyzer()  # it caches nothing between texts, and building it again would download
        sides["pymilvus.model"] = lambda: fit(Theirs(once))
    expected = sides.get("pymilvus.model", sides["refimpl"])()
    facts = {"work": len(texts), "unit": "texts", "data": fingerprint(texts)}
    race(sides, stage="bm25 fit", case=f"{kind} analyzer", check=lambda _, got: same_bits(got, expected), **facts)


@pytest.mark.parametrize("what", ["documents", "queries"])
def test_encode(race: Race, what: str) -> None:
    """Encoding by a fitted function with `pymilvus-en`; queries are the first words of documents."""
    texts, (our_analyzer, their_analyzer) = prose(), analyzers("pymilvus-en")
    inputs = texts if what == "documents" else [" ".join(text.split()[:8]) for text in texts]
    functions: dict[str, Any] = {"refimpl": BM25EmbeddingFunction(our_analyzer(), texts)}
    if peers.get("pymilvus.model") is not None:
        from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs

        functions["pymilvus.model"] = Theirs(their_analyzer(), texts)
    sides = {name: (lambda fn=fn: getattr(fn, f"encode_{what}")(inputs)) for name, fn in functions.items()}
    expected = sides.get("pymilvus.model", sides["refimpl"])()
    facts = {"work": len(inputs), "unit": "texts", "data": fingerprint(inputs)}
    race(sides, stage="bm25 encode", case=what, check=lambda _, got: same_bits(got, expected), **facts)


@pytest.mark.parametrize("kind", CORPORA)
def test_build(race: Race, kind: str) -> None:
    """From token lists to a searchable index."""
    corpus = ZipfCorpus(kind, CORPORA[kind])
    tokens, queries = corpus.tokens, corpus.queries("any words", 3)
    sides: dict[str, Callable[[], Any]] = {"refimpl": lambda: bm25_peers.ours(tokens)}
    if peers.get("bm25s") is not None:
        sides["bm25s"] = lambda: bm25_peers.bm25s_build(tokens)
    if peers.get("tantivy") is not None:
        sides["tantivy"] = lambda: Tantivy(tokens)
    if peers.get("bm25_turbo_python") is not None:
        sides["bm25-turbo"] = lambda: Turbo(tokens)
    if peers.get("rank_bm25") is not None:
        sides["rank_bm25"] = lambda: bm25_peers.rank_bm25_build(tokens)

    def check(name: str, index: Any) -> Correctness:
        return judged(name, *answer_of(name, index, queries), queries, corpus)

    facts = {"work": len(tokens), "unit": "documents", "size": len(tokens), "data": corpus.fingerprint}
    race(sides, stage="bm25 build", case=f"{len(tokens)} {kind} documents", check=check, **facts)


@cache
def indexes(kind: str) -> dict[str, Any]:
    """Each library's index of one corpus, reused for both kinds of queries."""
    tokens = ZipfCorpus(kind, CORPORA[kind]).tokens
    made: dict[str, Any] = {"refimpl": bm25_peers.ours(tokens)}
    if peers.get("bm25s") is not None:
        made["bm25s"] = bm25_peers.bm25s_build(tokens)
        if peers.get("numba") is not None:
            made["bm25s (numba)"] = bm25_peers.bm25s_build(tokens, "numba")
    if peers.get("tantivy") is not None:
        made["tantivy"] = Tantivy(tokens)
    if peers.get("bm25_turbo_python") is not None:
        made["bm25-turbo"] = Turbo(tokens)
    if peers.get("rank_bm25") is not None:
        made["rank_bm25"] = bm25_peers.rank_bm25_build(tokens)
    return made


@pytest.mark.parametrize(("kind", "count"), [("long", 50), ("short", 50), ("short", 2)])  # 2: few enough for rank_bm25
@pytest.mark.parametrize("words", QUERIES)
def test_search(race: Race, kind: str, words: str, count: int) -> None:
    """The top 10 of `count` queries in one call, from tokens to ids and scores."""
    corpus = ZipfCorpus(kind, CORPORA[kind])
    queries = corpus.queries(words, count)
    made = indexes(kind)
    raced = (
        made
        if len(queries) * corpus.count <= MOST_FOR_RANK_BM25
        else {n: i for n, i in made.items() if n != "rank_bm25"}
    )
    sides = {name: searching(name, index, queries) for name, index in raced.items()}
    race(
        sides,
        stage="bm25 search",
        case=f"{count} queries, {corpus.count} {kind} documents, {words}",
        work=len(queries),
        unit="queries",
        size=corpus.count,
        check=lambda name, results: judged(name, *hits_of(name, made[name], results), queries, corpus),
        data=corpus.fingerprint,
        k=K,
    )


def searching(name: str, index: Any, queries: list[list[str]]) -> Callable[[], Any]:
    if name == "refimpl":
        return lambda: index.search(queries, K)
    if name == "tantivy":
        parsed = index.parsed(queries)
        return lambda: index.search(parsed, K)
    if name == "bm25-turbo":
        joined = index.joined(queries)
        return lambda: index.search(joined, K)
    if name == "rank_bm25":
        return lambda: bm25_peers.rank_bm25_search(index, queries, K)
    return lambda: bm25_peers.bm25s_search(index, queries, K)


def answer_of(name: str, index: Any, queries: list[list[str]]) -> Any:
    return hits_of(name, index, searching(name, index, queries)())


def hits_of(name: str, index: Any, results: Any) -> tuple[np.ndarray, np.ndarray]:
    """A library's results as ids and scores, each `(queries, K)`."""
    if name == "tantivy":
        hits = index.hits(results)
        ids = [[doc for doc, _ in row] for row in hits]
        return np.array(ids), np.array([[score for _, score in row] for row in hits]) / (K1 + 1)
    if name in ("rank_bm25", "bm25-turbo"):
        return np.array([ids for ids, _ in results]), np.array([scores for _, scores in results])
    return np.asarray(results[0]), np.asarray(results[1])


def same_bits(got: Any, expected: Any) -> Correctness:
    """Equal float32 weights in equal columns."""
    assert got.shape == expected.shape, f"expected shape {expected.shape}, got {got.shape}"
    assert (got != expected).nnz == 0, "weights differ"
    return Correctness("all float32 weights identical")
