"""Rank fusion of vector databases and retrieval frameworks; a method that one of them lacks is refused."""


def _rrf_only(method):
    if method != "rrf":
        raise ValueError("reciprocal rank fusion only")


def ranx(routes, method, k=60, weights=(), norm_score=True, **_):
    """ranx: reciprocal rank fusion, and the weighted sum of scores normalised by minimum and maximum."""
    from ranx import Run, fuse

    runs = [Run({"q": dict(map(tuple, route))}) for route in routes]
    if method == "rrf":
        fused = fuse(runs, norm=None, method="rrf", params={"k": k})
    else:
        norm = "min-max" if norm_score else None
        fused = fuse(runs, norm=norm, method="wsum", params={"weights": list(weights)})
    return sorted(fused.to_dict()["q"].items(), key=lambda hit: -hit[1])


def llama_index(routes, method, k=60, **_):
    """llama-index's QueryFusionRetriever in the mode reciprocal_rerank, whose k is fixed at 60."""
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import NodeWithScore, TextNode

    _rrf_only(method)
    parts = {
        (str(number), 0): [NodeWithScore(node=TextNode(text=doc, id_=doc), score=score) for doc, score in route]
        for number, route in enumerate(routes)
    }
    retriever = QueryFusionRetriever.__new__(QueryFusionRetriever)
    return [[one.node.text, one.score] for one in retriever._reciprocal_rerank_fusion(parts)]


def haystack(join_mode):
    """Return the adapter of one mode of haystack's DocumentJoiner."""

    def fuse(routes, method, weights=(), **_):
        from haystack import Document
        from haystack.components.joiners import DocumentJoiner

        if (method == "rrf") != (join_mode == "reciprocal_rank_fusion"):
            raise ValueError(f"{join_mode} only")
        parts = [[Document(id=doc, content=doc, score=score) for doc, score in route] for route in routes]
        options = {"weights": list(weights)} if weights else {}
        joined = DocumentJoiner(join_mode=join_mode, **options).run(documents=parts)["documents"]
        return [[document.id, document.score] for document in joined]

    return fuse


haystack_rrf, haystack_merge = haystack("reciprocal_rank_fusion"), haystack("merge")


def milvus_lite(routes, method, k=60, weights=(), metrics=(), norm_score=True, **_):
    """Milvus Lite's hybrid search with RRFRanker or WeightedRanker; one-dimensional vectors give the scores."""
    import tempfile

    from pymilvus import AnnSearchRequest, MilvusClient, RRFRanker, WeightedRanker

    if any(metric != "IP" for metric in metrics):
        raise ValueError("this adapter has inner products only")
    docs = sorted({doc for route in routes for doc, _ in route})
    with tempfile.TemporaryDirectory() as place:
        client = MilvusClient(f"{place}/milvus.db")
        _insert(client, docs, routes)
        requests = [
            AnnSearchRequest([{0: 1.0}], f"v{number}", {"metric_type": "IP"}, limit=max(len(route), 1))
            for number, route in enumerate(routes)
        ]
        ranker = RRFRanker(k) if method == "rrf" else WeightedRanker(*weights, norm_score=norm_score)
        try:
            (hits,) = client.hybrid_search("c", requests, ranker, limit=len(docs))
            return [[docs[hit["n"]], hit["distance"]] for hit in hits]
        finally:
            client.close()


def _insert(client, docs, routes):
    """One sparse field per route; a document that the route lacks has a term that no query has."""
    from pymilvus import DataType

    schema, index = client.create_schema(), client.prepare_index_params()
    schema.add_field("n", DataType.INT64, is_primary=True)
    for number in range(len(routes)):
        schema.add_field(f"v{number}", DataType.SPARSE_FLOAT_VECTOR)
        index.add_index(f"v{number}", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("c", schema=schema, index_params=index)
    scores = [dict(map(tuple, route)) for route in routes]
    rows = [
        {f"v{number}": {0: one[doc]} if doc in one else {1: 1.0} for number, one in enumerate(scores)} for doc in docs
    ]
    client.insert("c", [{"n": number, **row} for number, row in enumerate(rows)])


def lancedb(routes, method, k=60, **_):
    """LanceDB's RRFReranker, which fuses a vector search with a full-text one."""
    import pyarrow as pa
    from lancedb.rerankers import RRFReranker

    _rrf_only(method)
    if len(routes) != 2:
        raise ValueError("two routes only")
    docs = sorted({doc for route in routes for doc, _ in route})
    tables = [
        pa.table(
            {"_rowid": pa.array([docs.index(doc) for doc, _ in route], pa.uint64()), "x": [doc for doc, _ in route]}
        )
        for route in routes
    ]
    found = RRFReranker(K=k).rerank_hybrid("", *tables).to_pylist()
    return [[row["x"], row["_relevance_score"]] for row in found]
