"""BM25Index: equal to brute force, for every variant; and its file."""

import json
import math
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from refimpl import BM25Index, build_analyzer
from refimpl.sparse.bm25 import VARIANTS
from refimpl.sparse.index import exhaustive, maxscore, postings, search
from refimpl.sparse.index.storage import IndexFileError

ROOT = Path(__file__).parents[2]


def zipf_texts(n: int, seed: int, words: int = 3000, longest: int = 30) -> list[list[str]]:
    """Documents of 0 to `longest` words, the word of rank r with probability ~ 1 / (r + 2)."""
    rng = np.random.default_rng(seed)
    weight = 1 / (np.arange(words) + 2.0)
    names = np.array([f"w{i}" for i in range(words)])
    return [rng.choice(names, int(rng.integers(0, longest)), p=weight / weight.sum()).tolist() for _ in range(n)]


class BruteForce:
    """The formulas applied to every document that contains a term of the query, and a full sort.

    Terms are summed in BM25Index's documented order: from the one in most documents to the one in fewest.
    """

    def __init__(self, docs: list[list[str]], variant: str, k1: float, b: float) -> None:
        self.variant, self.k1, self.b = VARIANTS[variant], k1, b
        self.lengths = np.array([len(doc) for doc in docs])
        n = len(docs) if self.variant.counts_empty else int((self.lengths > 0).sum())
        self.avgdl = self.lengths.sum() / n
        self.term_id: dict[str, int] = {}
        for doc in docs:
            for word in doc:
                self.term_id.setdefault(word, len(self.term_id))
        self.tf = np.zeros((len(self.term_id), len(docs)), np.int64)
        for i, doc in enumerate(docs):
            for word in doc:
                self.tf[self.term_id[word], i] += 1
        df = (self.tf > 0).sum(axis=1)
        idf = self.variant.idf(df, n, 0.25)
        self.place = {word: (-df[term_id], term_id) for word, term_id in self.term_id.items()}
        self.idf = dict(zip(self.term_id, idf.tolist(), strict=True))

    def top(self, query: list[str], k: int) -> list[tuple[int, float]]:
        counts = Counter(word for word in query if word in self.term_id)
        scores = np.zeros(len(self.lengths))
        is_hit = np.zeros(len(self.lengths), bool)
        for word in sorted(counts, key=self.place.__getitem__):
            tf = self.tf[self.term_id[word]]
            docs = np.flatnonzero(tf)
            weights = self.variant.tf(
                tf[docs], self.lengths[docs], float(self.avgdl), self.k1, self.b, self.variant.delta
            )
            scores[docs] += self.idf[word] * counts[word] * weights
            is_hit[docs] = True
        hits = np.flatnonzero(is_hit)
        order = hits[np.lexsort((hits, -scores[hits]))][:k]
        return list(zip(order.tolist(), scores[order].tolist(), strict=True))


def queries_for(docs: list[list[str]], n: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    full = [doc for doc in docs if doc]
    picked = [full[i] for i in rng.integers(0, len(full), n)]
    return [[str(word) for word in rng.choice(doc, int(rng.integers(1, 7)))] for doc in picked]


@pytest.fixture
def maxscore_only(monkeypatch):
    """As in a large collection: postings lists, rows of codes, and non-essential terms."""
    for module in (postings, search):
        monkeypatch.setattr(module, "FEW_DOCS", 0)
    monkeypatch.setattr(maxscore, "MAX_UNPRUNED", 0)


def assert_equals_brute_force(brute, index, queries, k):
    for query, row, values in zip(queries, *index.search(queries, k), strict=True):
        expected = brute.top(query, k)
        assert row.tolist() == [doc for doc, _ in expected] + [-1] * (k - len(expected))
        assert values[: len(expected)].tolist() == [score for _, score in expected]  # to the last bit
        assert (values[len(expected) :] == -np.inf).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_exhaustive_search_equals_brute_force(variant, monkeypatch, unchecked):
    monkeypatch.setattr(exhaustive, "MAX_ACCUMULATORS", 3000)  # three queries at once
    docs = zipf_texts(1000, seed=1)
    index, brute = BM25Index.from_tokens(docs, variant=variant, k1=1.2, b=0.75), BruteForce(docs, variant, 1.2, 0.75)
    assert len(index._postings.rows) > 0
    assert_equals_brute_force(brute, index, [*queries_for(docs, 1000, seed=2), [], ["unknown", "w0"]], 10)
    assert_equals_brute_force(brute, index, queries_for(docs, 50, seed=3), 300)  # more than there are blocks


@pytest.mark.parametrize("few", [0, 12_000])
@pytest.mark.parametrize("variant", VARIANTS)
def test_maxscore_equals_brute_force(variant, few, monkeypatch, maxscore_only, unchecked):
    monkeypatch.setattr(maxscore, "MAX_UNPRUNED", few)
    docs = zipf_texts(1000, seed=1)
    index, brute = BM25Index.from_tokens(docs, variant=variant, k1=1.2, b=0.75), BruteForce(docs, variant, 1.2, 0.75)
    assert len(index._postings.code_rows) > 0
    for cost in (0, 1 << 40):  # non-essential lists by bisection, by marks
        monkeypatch.setattr(maxscore, "LOOKUP_COST", cost)
        assert_equals_brute_force(brute, index, [*queries_for(docs, 500, seed=2 + cost % 7), [], ["unknown", "w0"]], 10)
        assert_equals_brute_force(brute, index, queries_for(docs, 50, seed=3), 3)


def test_a_collection_just_too_large_for_exhaustive_search(monkeypatch, unchecked):
    monkeypatch.setattr(postings, "FEW_DOCS", 699)
    monkeypatch.setattr(search, "FEW_DOCS", 699)
    for n_docs in (699, 700):
        docs = zipf_texts(n_docs, seed=12, words=300)
        index = BM25Index.from_tokens(docs)
        assert (len(index._postings.rows) > 0) == (n_docs == 699)
        assert (len(index._postings.code_rows) > 0) == (n_docs == 700)
        assert_equals_brute_force(BruteForce(docs, "lucene", 1.5, 0.75), index, queries_for(docs, 50, seed=13), 10)


def test_documents_beyond_two_bytes(unchecked):
    rare = {3: "a", 65_535: "a", 65_536: "a", 70_000: "b"}
    index = BM25Index.from_tokens([[rare.get(i, "x")] for i in range(70_001)])
    assert index.search([["a"], ["b"]], 4)[0].tolist() == [[3, 65_535, 65_536, -1], [70_000, -1, -1, -1]]
    narrow = BM25Index.from_tokens([[rare.get(i, "x")] for i in range(65_536)])
    assert narrow._postings.docs.dtype == np.uint16
    assert narrow.search([["a"]], 3)[0].tolist() == [[3, 65_535, -1]]


@pytest.mark.parametrize("only_maxscore", [True, False])
@pytest.mark.parametrize("k", [1, 7, 10, 11, 100, 999, 1001, 5000])
def test_every_k(k, only_maxscore, request):
    if only_maxscore:
        request.getfixturevalue("maxscore_only")
    docs = zipf_texts(2000, seed=3, words=60)  # few words, so that lists are long and many scores are equal
    index, brute = BM25Index.from_tokens(docs), BruteForce(docs, "lucene", 1.5, 0.75)
    for query in queries_for(docs, 20, seed=4):
        assert_equals_brute_force(brute, index, [query], k)


def test_non_essential_terms_are_looked_up_for_few_documents(monkeypatch, maxscore_only):
    docs = zipf_texts(6000, seed=5)
    df = Counter(word for doc in docs for word in set(doc))
    rare = next(word for word, n_docs in df.items() if 15 <= n_docs <= 40)
    assert df["w0"] + df["w1"] > 6000
    read, looked_up = [], []
    searcher = maxscore.MaxScoreSearcher
    read_lists, look_up = searcher._read_lists, searcher._look_up
    monkeypatch.setattr(
        searcher, "_read_lists", lambda self, *a: (read.append(int(a[1].sum())), read_lists(self, *a))[1]
    )
    monkeypatch.setattr(searcher, "_look_up", lambda self, *a: (looked_up.append(len(a[1])), look_up(self, *a))[1])
    BM25Index.from_tokens(docs).search([["w0", "w1", rare]], 10)
    assert read == [df[rare]]
    assert len(looked_up) == 2
    assert max(looked_up) <= df[rare]


def test_many_queries_in_batches(monkeypatch, maxscore_only):
    monkeypatch.setattr(search, "MAX_POSTINGS_PER_BATCH", 500)
    docs = zipf_texts(900, seed=8)
    index = BM25Index.from_tokens(docs)
    queries = [*queries_for(docs, 60, seed=9), [], ["unknown"]]
    together, alone = index.search(queries, 6), [index.search([query], 6) for query in queries]
    np.testing.assert_array_equal(together[0], np.concatenate([ids for ids, _ in alone]))
    np.testing.assert_array_equal(together[1], np.concatenate([scores for _, scores in alone]))


def test_a_search_restores_the_accumulators(monkeypatch, maxscore_only):
    monkeypatch.setattr(maxscore, "LOOKUP_COST", 1 << 40)  # marks
    docs = zipf_texts(900, seed=14)
    index = BM25Index.from_tokens(docs)
    queries = queries_for(docs, 40, seed=15)
    first = index.search(queries, 5)
    index.search(queries[::-1], 100)
    (searcher,) = index._searcher._idle_searchers
    assert not searcher._marks.any()
    assert not searcher._accumulators.any()
    for before, after in zip(first, index.search(queries, 5), strict=True):
        np.testing.assert_array_equal(before, after)


def test_hits_of_weight_zero_are_hits():
    index = BM25Index.from_tokens([["a"], ["b"]], variant="robertson")  # ln((2 - 1 + 0.5) / (1 + 0.5)) = 0
    ids, scores = index.search([["b"], ["b", "a"]], 3)
    assert ids.tolist() == [[1, -1, -1], [0, 1, -1]]
    assert scores[:, 0].tolist() == [0.0, 0.0]


def test_ties_go_by_ascending_id():
    index = BM25Index.from_tokens([["b"], ["a", "c"], ["a", "d"], ["a", "e"], ["c"]] * 400)
    ids, scores = index.search([["a"]], 7)
    assert ids.tolist() == [[1, 2, 3, 6, 7, 8, 11]]
    assert len(set(scores[0])) == 1


def test_all_documents_alike():
    index = BM25Index.from_tokens([["a", "b"]] * 5000)
    ids, scores = index.search([["b", "a"]], 3)
    assert ids.tolist() == [[0, 1, 2]]
    assert scores[0, 0] == pytest.approx(2 * math.log(1 + 0.5 / 5000.5) / (1 + 1.5), rel=1e-12)


@pytest.mark.parametrize("variant", ["robertson", "pymilvus"])
def test_hits_of_negative_weight_are_ranked_as_they_are(variant):
    docs = [["a", "b"], ["a"], ["a", "a", "b"], ["c", "a"]]
    expected = BruteForce(docs, variant, 1.5, 0.75)
    assert expected.idf["a"] < 0
    ids, scores = BM25Index.from_tokens(docs, variant=variant).search([["a"]], 5)
    assert [(i, s) for i, s in zip(ids[0].tolist(), scores[0].tolist(), strict=True) if i >= 0] == expected.top(
        ["a"], 5
    )
    assert ids[0, 4] == -1


def test_texts_tokens_and_counts_have_the_same_hits():
    texts = ["The cat sat.", "A dog and a cat", "birds"]
    simple = build_analyzer("simple")
    tokens = [simple(text) for text in texts]
    by_text = BM25Index.build(texts, analyzer="simple")
    by_tokens = BM25Index.from_tokens(tokens)
    words = sorted({word for doc in tokens for word in doc})
    counts = csr_array(np.array([[doc.count(word) for word in words] for doc in tokens]))
    by_counts = BM25Index.from_counts(counts)
    query = csr_array(np.array([[int(word == "cat") for word in words]]))
    expected = by_counts.search(query, 3)
    for ids, scores in (by_text.search(["cat"], 3), by_text.search([["cat"]], 3), by_tokens.search([["cat"]], 3)):
        np.testing.assert_array_equal(ids, expected[0])
        np.testing.assert_allclose(scores, expected[1], rtol=1e-15)


def test_an_index_without_terms_has_no_hits():
    for texts in ([], [""], ["", "the of"]):
        index = BM25Index.build(texts, analyzer="lucene-english")
        ids, scores = index.search(["cat", ""], 2)
        assert ids.tolist() == [[-1, -1], [-1, -1]]
        assert (scores == -np.inf).all()
    assert BM25Index.build(["cat"], analyzer="simple").search([], 3)[0].shape == (0, 3)


@pytest.mark.parametrize("only_maxscore", [True, False])
def test_queries_without_terms_among_others(only_maxscore, request):
    """Empty queries first, between others and last: rows of -1 and -inf, and no effect on the others."""
    if only_maxscore:
        request.getfixturevalue("maxscore_only")
    index = BM25Index.from_tokens([["a"], ["b", "b"], ["a", "b"]])
    queries = [[], ["a"], ["unknown"], [], ["b"], ["b", "b"], []]
    ids, scores = index.search(queries, 2)
    assert ids.tolist() == [[-1, -1], [0, 2], [-1, -1], [-1, -1], [1, 2], [1, 2], [-1, -1]]
    assert np.isneginf(scores[[0, 2, 3, 6]]).all()
    assert (scores[5] == 2 * scores[4]).all()
    assert index.search([[]], 2)[0].tolist() == [[-1, -1]]


def test_fewer_hits_than_k():
    ids, scores = BM25Index.build(["cat", "dog"], analyzer="simple").search(["cat", "bird", ""], 5)
    assert ids.tolist() == [[0, -1, -1, -1, -1]] + [[-1] * 5] * 2
    assert scores[0, 0] > 0


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    index = BM25Index.build(["a b", "b c"], analyzer="simple")
    with pytest.raises(TypeError, match="wrap it in a list"):
        index.search("a", 3)
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        index.search(["a"], 0)
    with pytest.raises(TypeError, match="k must be a whole number, got float"):
        index.search(["a"], 2.5)
    with pytest.raises(TypeError, match="wrap it in a list"):
        BM25Index.build("a b", analyzer="simple")
    with pytest.raises(TypeError, match="list of lists of str"):
        BM25Index.from_tokens("a b")
    with pytest.raises(TypeError, match="token list 0 must be a list of str, got one str"):
        BM25Index.from_tokens(["a b"])
    with pytest.raises(ValueError, match="analyzer must be one of pymilvus-en"):
        BM25Index.build(["a"], analyzer="english")
    for settings in ({"k1": -1.0}, {"b": 2.0}, {"variant": "x"}, {"k1": math.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} must be"):
            BM25Index.build(["a"], analyzer="simple", **settings)
    with pytest.raises(TypeError, match="no analyzer: give queries as lists of tokens"):
        BM25Index.from_tokens([["a"]]).search(["a"], 1)
    with pytest.raises(ValueError, match="whole numbers of 0 or more"):
        BM25Index.from_counts(csr_array(np.array([[0.5]])))
    with pytest.raises(ValueError, match="whole numbers"):
        BM25Index.from_counts(csr_array(np.array([[np.nan]])))
    with pytest.raises(TypeError, match="scipy sparse matrix"):
        BM25Index.from_counts(np.array([[1]]))
    counted = BM25Index.from_counts(csr_array(np.array([[1, 2]])))
    with pytest.raises(ValueError, match="queries have 3 columns, the index has 2 terms"):
        counted.search(csr_array(np.array([[1, 0, 0]])), 1)
    with pytest.raises(TypeError, match="built from counts"):
        counted.search(["a"], 1)
    with pytest.raises(TypeError, match="built from words: give queries as texts or as lists of tokens"):
        index.search(csr_array(np.array([[1, 0, 0]])), 1)


# --- the file


@pytest.fixture
def saved(tmp_path):
    docs = zipf_texts(3000, seed=6)
    index = BM25Index.from_tokens(docs, variant="bm25l", k1=1.1, b=0.6)
    index.save(tmp_path / "index.bm25")
    return index, docs, tmp_path / "index.bm25"


def test_a_loaded_index_has_the_same_hits(saved):
    index, docs, path = saved
    loaded = BM25Index.load(path)
    queries = [*queries_for(docs, 50, seed=7), ["unknown", "w1"], []]
    for ours, theirs in zip(index.search(queries, 10), loaded.search(queries, 10), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (loaded.n_docs, loaded.n_terms, len(loaded)) == (index.n_docs, index.n_terms, 3000)
    assert repr(loaded) == repr(index)


def test_an_index_of_counts_keeps_its_columns(tmp_path):
    counts = np.array([[0, 1, 2], [0, 1, 0], [3, 1, 1], [0, 0, 0]])  # by df the columns are 1, 2, 0
    words = [[name for name, n in zip("abc", row, strict=True) for _ in range(n)] for row in counts.tolist()]
    brute = BruteForce(words, "lucene", 1.5, 0.75)
    BM25Index.from_counts(csr_array(counts)).save(tmp_path / "i")
    loaded = BM25Index.load(tmp_path / "i")
    for query, words_of_query in (([1, 0, 0], ["a"]), ([0, 1, 0], ["b"]), ([0, 0, 1], ["c"]), ([1, 1, 0], ["a", "b"])):
        ids, scores = loaded.search(csr_array(np.array([query])), 3)
        hits = [(i, s) for i, s in zip(ids[0].tolist(), scores[0].tolist(), strict=True) if i >= 0]
        expected = brute.top(words_of_query, 3)
        assert [i for i, _ in hits] == [i for i, _ in expected]
        assert [s for _, s in hits] == pytest.approx([s for _, s in expected], rel=1e-14)


def test_loaded_arrays_are_views_of_the_file(saved):
    loaded = BM25Index.load(saved[2])
    for name in ("docs", "codes", "start"):
        array = getattr(loaded._postings, name)
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_saved_again_is_byte_for_byte_the_same(saved, tmp_path):
    BM25Index.load(saved[2]).save(tmp_path / "again.bm25")
    assert (tmp_path / "again.bm25").read_bytes() == saved[2].read_bytes()


def test_a_loaded_index_of_texts_builds_its_analyzer(tmp_path):
    texts = ["The cats sat", "dogs’ ﬁsh \ud800 naïve", "zażółć 東京"]
    index = BM25Index.build(texts, analyzer="lucene-english", variant="lucene-lossy")
    index.save(tmp_path / "i")
    loaded = BM25Index.load(tmp_path / "i")
    assert loaded.search(["cat", "naïve", "京"], 1)[0].tolist() == [[0], [1], [2]]
    with pytest.warns(UserWarning, match=r"was built with analyzer lucene-english:\w+, this one is simple:"):
        BM25Index.load(tmp_path / "i", analyzer="simple")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BM25Index.load(tmp_path / "i", analyzer=build_analyzer("lucene-english"))


def test_safetensors_reads_the_file(saved):
    from safetensors.numpy import load_file

    read = load_file(saved[2])
    np.testing.assert_array_equal(read["docs"], saved[0]._postings.docs)
    np.testing.assert_array_equal(read["impacts"], saved[0]._postings.impacts)


@pytest.mark.parametrize("keep", [0, 5, 200, 0.5, 0.999])
def test_a_truncated_file(saved, keep):
    content = saved[2].read_bytes()
    saved[2].write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(IndexFileError, match="not an index"):
        BM25Index.load(saved[2])


def test_foreign_files_and_other_versions(saved, tmp_path):
    (tmp_path / "text").write_text("some text that is no index at all, but long enough")
    with pytest.raises(IndexFileError, match="not an index"):
        BM25Index.load(tmp_path / "text")
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "other", metadata={"format": "pt"})
    with pytest.raises(IndexFileError, match="has format 'pt', expected 'refimpl-bm25-index-3': build the index again"):
        BM25Index.load(tmp_path / "other")
    content = saved[2].read_bytes()
    (tmp_path / "newer").write_bytes(content.replace(b"refimpl-bm25-index-3", b"refimpl-bm25-index-9"))
    with pytest.raises(IndexFileError, match="has format 'refimpl-bm25-index-9'"):
        BM25Index.load(tmp_path / "newer")
    with pytest.raises(FileNotFoundError):
        BM25Index.load(tmp_path / "none")


def test_an_array_missing(saved, tmp_path):
    content = saved[2].read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["codes"]
    shorter = json.dumps(header, separators=(",", ":")).encode().ljust(length)
    (tmp_path / "missing").write_bytes(content[:8] + shorter + content[8 + length :])
    with pytest.raises(IndexFileError, match="not an index, or damaged"):
        BM25Index.load(tmp_path / "missing")


SAVER = """
import sys
sys.path.insert(0, sys.argv[1])
from refimpl.sparse.index.index import BM25Index
index = BM25Index.from_tokens([[f"w{i % 997}", f"v{i}"] for i in range(60000)])
index.save(sys.argv[2])
print("ready", flush=True)
while True:
    index.save(sys.argv[2])
"""


def test_killed_while_saving_leaves_a_complete_file(tmp_path):
    for wait_ms in (11, 90):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(ROOT), str(tmp_path / "i")], stdout=subprocess.PIPE, text=True
        )
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(wait_ms / 1000)
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        saver.stdout.close()
        assert BM25Index.load(tmp_path / "i").search([["v59999"]], 1)[0].tolist() == [[59999]]


def test_pickles(saved):
    again = pickle.loads(pickle.dumps(saved[0]))
    np.testing.assert_array_equal(again.search([["w3", "w7"]], 5)[1], saved[0].search([["w3", "w7"]], 5)[1])
