"""The dense and BM25 examples of pymilvus' introduction, import lines changed, with their vectors in Milvus Lite."""

import numpy as np
from pymilvus import DataType, MilvusClient

DOCS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]


def stored_in_milvus(tmp_path, field, kind, vectors, queries, **type_parameters):
    """Insert, search by IP and read back through plain pymilvus, as a user would."""
    client = MilvusClient(str(tmp_path / "intro.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field(field, kind, **type_parameters)
    index = client.prepare_index_params()
    index.add_index(
        field, index_type="FLAT" if kind is DataType.FLOAT_VECTOR else "SPARSE_INVERTED_INDEX", metric_type="IP"
    )
    client.create_collection("intro", schema=schema, index_params=index)
    client.insert("intro", [{"id": i, field: vector} for i, vector in enumerate(vectors)])
    rows = client.query("intro", filter="id >= 0", output_fields=["id", field])
    hits = client.search("intro", data=queries, anns_field=field, limit=3, output_fields=["id"])
    client.close()
    return {row["id"]: row[field] for row in rows}, [
        [(hit["id"], hit["distance"]) for hit in of_query] for of_query in hits
    ]


def test_the_dense_example(tmp_path):
    from refimpl import DefaultEmbeddingFunction

    embedding_fn = DefaultEmbeddingFunction()
    embeddings = embedding_fn.encode_documents(DOCS)
    queries = embedding_fn.encode_queries(["When was artificial intelligence founded", "Where was Alan Turing born?"])

    # the first numbers that Milvus' blog of 2024-06-05 prints
    published = [-3.09392996e-02, -1.80662833e-02, 1.34775648e-02, 2.77156215e-02, -4.86349640e-03, -3.12581174e-02]
    np.testing.assert_allclose(embeddings[0][:6], published, atol=1e-6)
    assert (embedding_fn.dim, embeddings[0].shape) == (384, (384,))

    stored, hits = stored_in_milvus(
        tmp_path, "dense", DataType.FLOAT_VECTOR, list(embeddings), list(queries), dim=embedding_fn.dim
    )
    for row, vector in stored.items():
        np.testing.assert_array_equal(np.asarray(vector, np.float32), embeddings[row])
    assert [of_query[0][0] for of_query in hits] == [0, 2]
    np.testing.assert_allclose(
        [of_query[0][1] for of_query in hits], [queries[0] @ embeddings[0], queries[1] @ embeddings[2]], atol=1e-6
    )


def test_the_bm25_example_with_save_and_load(tmp_path):
    from refimpl.sparse import BM25EmbeddingFunction, build_default_analyzer

    analyzer = build_default_analyzer(language="en")
    bm25_ef = BM25EmbeddingFunction(analyzer)
    bm25_ef.fit(DOCS)
    docs_embeddings = bm25_ef.encode_documents(DOCS)
    query_embeddings = bm25_ef.encode_queries(["Where was Turing born?"])
    assert bm25_ef.dim == 21
    assert docs_embeddings.shape == (3, 21)
    assert sorted(query_embeddings.indices.tolist()) == [7, 14]

    bm25_ef.save(str(tmp_path / "bm25_params.json"))
    new_bm25_ef = BM25EmbeddingFunction(analyzer)
    new_bm25_ef.load(str(tmp_path / "bm25_params.json"))
    assert (new_bm25_ef.encode_queries(["Where was Turing born?"]) != query_embeddings).nnz == 0

    def as_dicts(matrix):
        rows = [matrix[[row]] for row in range(matrix.shape[0])]
        return [dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in rows]

    stored, hits = stored_in_milvus(
        tmp_path, "sparse", DataType.SPARSE_FLOAT_VECTOR, as_dicts(docs_embeddings), as_dicts(query_embeddings)
    )
    for row, vector in stored.items():
        assert {int(column): value for column, value in vector.items()} == as_dicts(docs_embeddings)[row]
    scores = (docs_embeddings @ query_embeddings.T).toarray().ravel()
    assert [row for row, _ in hits[0]] == [row for row in np.argsort(-scores) if scores[row] > 0]
    np.testing.assert_allclose([score for _, score in hits[0]], sorted(scores[scores > 0])[::-1], rtol=1e-6)
