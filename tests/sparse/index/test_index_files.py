"""Files of the BM25 index: saved, loaded, truncated, foreign."""

import json
import pickle
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from index_corpus import BruteForce, queries_for, zipf_texts
from scipy.sparse import csr_array

from refimpl import BM25Index, build_analyzer
from refimpl.sparse.index.storage import IndexFileError

ROOT = Path(__file__).parents[2]


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
