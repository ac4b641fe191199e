"""BM25 against pymilvus.model, rank_bm25, bm25s, tantivy and Anserini's figure, under settings that agree."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl import BM25EmbeddingFunction, BM25Index, build_analyzer, build_default_analyzer
from refimpl.sparse.bm25 import BM25WeightWarning
from refimpl.sparse.bm25 import formulas as f

pytestmark = [
    pytest.mark.peer,
    pytest.mark.usefixtures("nltk_data_path"),
    pytest.mark.filterwarnings("ignore::refimpl.sparse.bm25.BM25WeightWarning"),
]
SHARED = Path(__file__).parents[3] / "shared" / "collections"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The first 1,500 characters of 200 modules of scipy: prose, code, numbers."""
    import scipy

    files = sorted(Path(scipy.__file__).parent.rglob("*.py"))[:800:4]
    return [file.read_text("utf-8", errors="replace")[:1500] for file in files]


@pytest.fixture(scope="module")
def tokens(texts) -> list[list[str]]:
    simple = build_analyzer("simple")
    return [simple(text) for text in texts]


def queries_of(tokens: list[list[str]], n: int = 40) -> list[list[str]]:
    rng = np.random.default_rng(0)
    full = [doc for doc in tokens if len(doc) > 4]
    return [[str(word) for word in rng.choice(full[i], 4)] for i in rng.integers(0, len(full), n)]


def assert_same_bits(ours: csr_array, theirs: csr_array) -> None:
    theirs = csr_array(theirs)
    theirs.sort_indices()
    theirs.eliminate_zeros()
    assert theirs.dtype == np.float32
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


# --- pymilvus.model, bit for bit


@pytest.mark.parametrize("language", ["en", "de", "ru", "sp"])
def test_pymilvus_model_with_its_default_analyzers(texts, language):
    from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs
    from pymilvus.model.sparse.bm25 import build_default_analyzer as their_analyzer

    part = [*texts[: 60 if language == "en" else 30], "", "Straße! ¿Qué? Где же «это»? don't 'tis U.S. 3.5"]
    ours = BM25EmbeddingFunction(build_default_analyzer(language), part)
    theirs = Theirs(their_analyzer(language), part)
    assert {word: value for word, (value, _) in ours.idf.items()} == {w: v for w, (v, _) in theirs.idf.items()}
    assert list(ours.idf) == list(theirs.idf)
    assert (ours.dim, ours.corpus_size, ours.avgdl) == (theirs.dim, theirs.corpus_size, theirs.avgdl)
    assert_same_bits(ours.encode_documents(part), theirs.encode_documents(part))
    queries = [text[:200] for text in part] + ["test test test test test a b", "unseen-word"]
    assert_same_bits(ours.encode_queries(queries), theirs.encode_queries(queries))


@pytest.mark.parametrize("settings", [{}, {"k1": 0.9, "b": 0.4}, {"k1": 0.0}, {"b": 0.0}, {"b": 1.0, "epsilon": 0.0}])
def test_pymilvus_model_with_other_parameters(texts, settings):
    from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs

    ours = BM25EmbeddingFunction(build_analyzer("simple"), texts, **settings)
    theirs = Theirs(build_analyzer("simple"), texts, **settings)
    assert_same_bits(ours.encode_documents(texts), theirs.encode_documents(texts))
    assert_same_bits(ours.encode_queries(texts), theirs.encode_queries(texts))


def test_files_travel_both_ways(texts, tmp_path):
    from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs

    simple = build_analyzer("simple")
    BM25EmbeddingFunction(simple, texts).save(tmp_path / "ours.json")
    Theirs(simple, texts).save(str(tmp_path / "theirs.json"))
    ours, theirs = BM25EmbeddingFunction(simple), Theirs(simple)
    ours.load(tmp_path / "theirs.json")
    theirs.load(str(tmp_path / "ours.json"))
    assert_same_bits(ours.encode_documents(texts), theirs.encode_documents(texts))
    assert_same_bits(ours.encode_queries(texts), theirs.encode_queries(texts))


def test_negative_floor_of_two_documents_is_theirs_too():
    from pymilvus.model.sparse import BM25EmbeddingFunction as Theirs

    docs = ["cat dog", "cat bird"]
    with pytest.warns(BM25WeightWarning, match="negative"):
        ours = BM25EmbeddingFunction(build_analyzer("simple"), docs)
    assert [value for value, _ in ours.idf.values()] == [value for value, _ in Theirs(str.split, docs).idf.values()]


# --- rank_bm25, 1e-12


def test_rank_bm25_okapi(tokens):
    """Equal without further settings, except that it scores every document, 0 for one without any of the terms."""
    from rank_bm25 import BM25Okapi

    theirs = BM25Okapi(tokens, k1=1.5, b=0.75, epsilon=0.25)
    index = BM25Index.from_tokens(tokens, variant="rank_bm25", k1=1.5, b=0.75, epsilon=0.25)
    assert_all_scores(index, theirs.get_scores, queries_of(tokens), 1e-12)


def test_rank_bm25_plus(tokens):
    """It adds idf * delta for absent terms as well: the same for every document, so the order is that of delta = 0.

    Equal once that is added to our sum over the terms present.
    """
    from rank_bm25 import BM25Plus

    theirs = BM25Plus(tokens, k1=1.5, b=0.75, delta=1)
    index = BM25Index.from_tokens(tokens, variant="bm25+", k1=1.5, b=0.75, delta=1.0)
    df = {word: sum(word in doc for doc in map(set, tokens)) for word in {w for q in queries_of(tokens) for w in q}}
    sets = list(map(set, tokens))

    def without_absent(query: list[str]) -> np.ndarray:
        absent = np.array([sum(math.log((len(tokens) + 1) / df[w]) for w in query if w not in doc) for doc in sets])
        return theirs.get_scores(query) - absent

    assert_all_scores(index, without_absent, queries_of(tokens), 1e-12)


def test_rank_bm25_l_multiplies_by_tf_once_too_often():
    """By hand: one document of average length, tf 2, k1 1.5, delta 0.5, so c = 2 and BM25L's tf 2.5 * 2.5 / 4 = 1.5625.

    rank_bm25 multiplies by tf once more and gets twice that.
    """
    from rank_bm25 import BM25L

    docs = [["a", "a"], ["b", "c"]]
    idf = math.log(3) - math.log(1.5)
    assert BM25L(docs, k1=1.5, b=0.75, delta=0.5).get_scores(["a"])[0] == pytest.approx(idf * 1.5625 * 2, rel=1e-12)
    score = BM25Index.from_tokens(docs, variant="bm25l", k1=1.5, b=0.75, delta=0.5).search([["a"]], 1)[1][0, 0]
    assert score == pytest.approx(idf * 1.5625, rel=1e-12)


def assert_all_scores(index: BM25Index, score_all, queries: list[list[str]], tolerance: float) -> None:
    """Compare every document's score; one that is no hit in the index must score 0 in the other library."""
    for query in queries:
        expected = np.asarray(score_all(query), np.float64)
        ids, scores = index.search([query], len(index))
        dense = np.zeros(len(index))
        dense[ids[ids >= 0]] = scores[ids >= 0]
        np.testing.assert_allclose(dense, expected, rtol=tolerance, atol=tolerance * max(1.0, np.abs(expected).max()))


# --- bm25s, 1e-6


@pytest.mark.parametrize("method", ["robertson", "atire", "lucene", "bm25l", "bm25+"])
def test_bm25s(tokens, method):
    """Settings that agree: dtype float64; no empty documents; robertson for terms in less than half of the documents.

    bm25s floors Robertson's idf at 0. Its BM25L and BM25+ add idf * tf(0) for absent terms, the same for all documents.
    """
    import bm25s

    docs = [doc for doc in tokens if doc]
    half = len(docs) / 2
    queries = [[w for w in query if sum(w in doc for doc in docs) < half] for query in queries_of(docs)]
    queries = [query for query in queries if query]
    theirs = bm25s.BM25(method=method, k1=1.2, b=0.6, delta=0.5, dtype="float64")
    theirs.index(docs, show_progress=False)
    index = BM25Index.from_tokens(docs, variant=method, k1=1.2, b=0.6, delta=0.5)
    idf = {"bm25l": f.idf_bm25l, "bm25+": f.idf_bm25plus}.get(method)
    sets = list(map(set, docs))

    def without_absent(query: list[str]) -> np.ndarray:
        scores = np.asarray(theirs.get_scores(query), np.float64)
        if idf is None:
            return scores
        at_zero = 0.5 if method == "bm25+" else 2.2 * 0.5 / (1.2 + 0.5)
        worth = {w: at_zero * float(idf(np.array([sum(w in doc for doc in sets)]), len(docs))[0]) for w in set(query)}
        return scores - np.array([sum(worth[w] for w in query if w not in doc) for doc in sets])

    assert_all_scores(index, without_absent, queries, 1e-6)


# --- Lucene's arithmetic, in tantivy and in Anserini's published figure


def test_tantivy_scores_are_lucene_lossy_times_k1_plus_1(tmp_path):
    """Settings that agree: its k1 = 1.2 and b = 0.75, no empty documents, white space between tokens; float32."""
    import tantivy

    rng = np.random.default_rng(5)
    docs = [[f"w{i}" for i in rng.zipf(1.3, int(n)) if i < 500] or ["w1"] for n in rng.integers(1, 900, 200)]
    assert max(map(len, docs)) > 300  # lengths without a code of their own
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", stored=True)
    builder.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
    schema = builder.build()
    theirs = tantivy.Index(schema, path=str(tmp_path))
    writer = theirs.writer(15_000_000, 1)
    for i, doc in enumerate(docs):
        writer.add_document(tantivy.Document(id=i, text=" ".join(doc)))
    writer.commit()
    writer.wait_merging_threads()
    theirs.reload()
    searcher = theirs.searcher()
    assert searcher.num_segments == 1
    ours = BM25Index.from_tokens(docs, variant="lucene-lossy", k1=1.2, b=0.75)
    for query in queries_of(docs, 20):
        words = sorted(set(query))
        terms = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", w, "freq")) for w in words]
        hits = searcher.search(tantivy.Query.boolean_query(terms), len(docs)).hits
        expected = {searcher.doc(address)["id"][0]: score / 2.2 for score, address in hits}
        ids, scores = ours.search([words], len(docs))
        actual = dict(zip(ids[ids >= 0].tolist(), scores[ids >= 0].tolist(), strict=True))
        assert actual.keys() == expected.keys()
        assert actual == pytest.approx(expected, rel=2e-5)  # observed 1.6e-6, where its float32 idf is near 0


def test_nfcorpus_equals_anserinis_figure():
    """Its regression beir-v1.0.0-nfcorpus.flat: nDCG@10 0.3218. Documents by id, so that ties go as Anserini's do."""
    from ir_measures import Qrel, ScoredDoc, calc_aggregate, nDCG

    folder = SHARED / "nfcorpus"
    if not folder.is_dir():
        pytest.skip("NFCorpus is free for academic use only; put its BEIR folder at ../shared/collections/nfcorpus")

    def lines(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]

    rows = [row.split("\t") for row in (folder / "qrels/test.tsv").read_text("utf-8").splitlines()[1:]]
    qrels = [Qrel(query, doc, int(grade)) for query, doc, grade in rows]
    docs = sorted(lines("corpus.jsonl"), key=lambda doc: doc["_id"])
    judged = {qrel.query_id for qrel in qrels}
    queries = [query for query in lines("queries.jsonl") if query["_id"] in judged]
    assert (len(docs), len(queries)) == (3633, 323)
    contents = [f"{doc['title']} {doc['text']}" for doc in docs]
    index = BM25Index.build(contents, analyzer="lucene-english", variant="lucene-lossy", k1=0.9, b=0.4)
    ids, _ = index.search([query["text"] for query in queries], 1000)
    run = [  # scored by rank, as trec_eval orders ties by descending id
        ScoredDoc(query["_id"], docs[i]["_id"], float(-rank))
        for query, row in zip(queries, ids, strict=True)
        for rank, i in enumerate(row[row >= 0])
    ]
    assert round(calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10], 4) == 0.3218
