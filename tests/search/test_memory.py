"""Memory does not grow with the collection: reading, fitting, encoding and judging, without a store."""

import tracemalloc

import numpy as np

from refimpl.datasets import Document
from refimpl.datasets.base import BadLines
from refimpl.search.encoding import encode_dataset
from refimpl.search.fields import DenseField, SparseField
from refimpl.search.plan import Encoder, RunPlan, load
from refimpl.search.scorers import scorer_of
from refimpl.search.topk import empty
from refimpl.search.truth import truth_of
from refimpl.shards import split
from refimpl.sparse import BM25EmbeddingFunction

ROWS, DIM, DEPTH = 250, 64, 20


class Streamed:
    """Documents of ten words by rule, none of which is kept; three queries."""

    name = "streamed"

    def __init__(self, count):
        self.count, self.bad = count, BadLines()

    def documents(self):
        for start in range(0, self.count, ROWS):
            words = np.random.default_rng(start).integers(0, 500, (ROWS, 10))
            for row, numbers in enumerate(words.tolist(), start):
                yield Document(f"d{row}", " ".join(f"w{number}" for number in numbers))

    def queries(self):
        return {"q0": "w1 w2", "q1": "w3 w4 w5", "q2": "w499"}

    def qrels(self):
        return {query_id: {"d0": 1} for query_id in self.queries()}


class Dense:
    dim = DIM

    def encode_documents(self, documents):
        rows = [np.random.default_rng(int(text[1:].split()[0])).standard_normal(DIM) for text in documents]
        return np.array(rows, np.float32)

    encode_queries = encode_documents


def peak(count, folder):
    """Largest number of bytes that Python and numpy have allocated at once."""
    bm25 = BM25EmbeddingFunction(str.split, variant="lucene")
    encoders = [
        Encoder(DenseField("dense", DIM), Dense(), {}, cached=False),
        Encoder(SparseField("bm25"), bm25, {}, cached=False, fit=bm25.fit_parts),
    ]
    tracemalloc.start()
    loaded = load(Streamed(count))
    encoded = encode_dataset(RunPlan(encoders, []), loaded, folder, False)
    for name, queries in encoded.queries.items():
        blocks = lambda name=name: encoded.documents.blocks(name)  # noqa: E731
        assert len(truth_of(scorer_of(queries), blocks, empty(3, DEPTH)).rows) == 3
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_four_times_the_documents_take_a_fifth_more_memory_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr("refimpl.search.encoding.ROWS", ROWS)
    monkeypatch.setattr("refimpl.search.documents.KEPT_BYTES", 0)
    monkeypatch.setattr("refimpl.common.json_reader.MOST_BYTES", 1 << 20)  # allocated, not used, to read a manifest
    monkeypatch.setattr("refimpl.search.documents.split", lambda documents: split(documents, ROWS))
    peak(ROWS, tmp_path / "warm")
    few, many = peak(4 * ROWS, tmp_path / "few"), peak(16 * ROWS, tmp_path / "many")
    assert many < 1.2 * few
