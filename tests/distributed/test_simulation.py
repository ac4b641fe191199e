"""A pipeline of encoding, BM25 statistics and exact search, while workers die: each document arrives exactly once."""

from functools import partial

import cluster_stubs
import numpy as np
import pytest

from refimpl import distributed, shards
from refimpl.datasets import Document

ROWS = 5
SETTINGS = {"model": "vectors of a stub"}


def documents(parts):
    """Documents with a term that all have, and one that no other has."""
    return [Document(f"d{number}", f"all t{number}") for number in range(parts * ROWS)]


def simulate(client, folder, parts, share):
    """Run the pipeline; return how many processes ended in each stage."""
    collection = documents(parts)
    first_texts = [document.text for document in collection[::ROWS]]
    stages = [cluster_stubs.Deadly(folder / name, share, name) for name in ("encode", "fit", "search")]
    for stage in stages:
        stage.folder.mkdir()
    encode, fit, search = stages

    encoders = {"dense": encode.encode_documents}
    manifest = distributed.encode_shards(client, iter(collection), encoders, folder / "shards", SETTINGS, rows=ROWS)
    assert shards.verify(folder / "shards") == manifest
    read = [shards.read_shard(path) for path in shards.shard_paths(folder / "shards")]
    assert [doc_id for shard in read for doc_id in shard.ids] == [document.id for document in collection]
    vectors = np.concatenate([shard.vectors["dense"] for shard in read])
    assert np.array_equal(vectors, cluster_stubs.vectors([document.text for document in collection]))
    assert len(list((folder / "shards").iterdir())) == parts + 1  # nothing half-written is left

    function = distributed.fit_bm25(client, cluster_stubs.DeadlyBM25(fit), iter(collection), rows=ROWS)
    assert function.corpus_size == len(collection)
    assert list(function.idf) == ["all", *(f"t{number}" for number in range(len(collection)))]
    once, n = np.log(1 + (len(collection) - 0.5) / 1.5), len(collection)
    expected = [np.log(1 + 0.5 / (n + 0.5)), *[once] * n]
    np.testing.assert_allclose([value for value, _ in function.idf.values()], expected, rtol=1e-12)

    queries = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refimpl.distributed.search.scorer_of", partial(cluster_stubs.DeadlyScorer, search))
        hits = distributed.search_shards(client, folder / "shards", "dense", queries, len(collection))
    scores = vectors.astype(float) @ queries[0].astype(float)
    assert hits.ids[0].tolist() == np.lexsort((np.arange(n), -scores)).tolist()

    texts = [first_texts, first_texts, [f"row {number}" for number in range(0, len(collection), ROWS)]]
    ended = [len(list(stage.folder.iterdir())) for stage in stages]
    assert ended == [stage.deaths(firsts) for stage, firsts in zip(stages, texts, strict=True)]
    return ended


def test_some_deaths(client, tmp_path):
    ended = simulate(client, tmp_path, parts=30, share=0.03)
    assert 0 < sum(ended) < 6


@pytest.mark.slow
@pytest.mark.huge
def test_a_thousand_shards_eight_workers_and_many_deaths(tmp_path):
    with distributed.connect("local", workers=8) as client:
        ended = simulate(client, tmp_path, parts=1000, share=0.01)
    assert all(number >= 5 for number in ended)
