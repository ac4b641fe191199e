"""MaxSim against torch's matrix products over sentence-transformers' token vectors, and against a hand computation."""

import json
from pathlib import Path

import numpy as np
import pytest

from refimpl import MaxSimRerankFunction, models
from refimpl.reranker.maxsim import max_sim

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "",
    "Jupiter",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet. " * 3,
]


def test_by_hand() -> None:
    query = np.array([[1.0, 0.0], [0.0, 1.0]])
    document = np.array([[0.6, 0.8], [1.0, 0.0], [-1.0, 0.0]])
    assert max_sim(query, document) == pytest.approx((1.0 + 0.8) / 2, abs=1e-15)
    assert max_sim(query, document[:0]) == 0.0


def test_the_right_answer_comes_first() -> None:
    results = MaxSimRerankFunction()(QUERY, DOCUMENTS, top_k=2)
    assert [result.index for result in results] == [1, 4]
    assert results[0].text == DOCUMENTS[1]


def test_float32_agrees_with_float64() -> None:
    exact = MaxSimRerankFunction(dtype="float64").scores(QUERY, DOCUMENTS)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(MaxSimRerankFunction().scores(QUERY, DOCUMENTS), exact, rtol=0, atol=1e-5)


def test_stored_vectors_score_as_their_texts() -> None:
    rf = MaxSimRerankFunction(dtype="float64")
    (query,), documents = rf.encode([QUERY]), rf.encode(DOCUMENTS)
    stored = [rf.similarity(query, document) for document in documents]
    np.testing.assert_allclose(stored, rf.scores(QUERY, DOCUMENTS), rtol=0, atol=1e-12)


def test_a_document_alone_scores_as_among_others() -> None:
    rf = MaxSimRerankFunction(dtype="float64")
    together = rf.scores(QUERY, DOCUMENTS)
    alone = [float(rf.scores(QUERY, [text])[0]) for text in DOCUMENTS]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_equal_documents_are_scored_once_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rf = MaxSimRerankFunction()
    original, seen = rf.encoder.map, list[int]()
    monkeypatch.setattr(rf.encoder, "map", lambda tokens, head: (seen.append(len(tokens)), original(tokens, head))[1])
    scores = rf.scores(QUERY, [*DOCUMENTS, *DOCUMENTS[::-1], DOCUMENTS[1]])
    assert seen == [1, len(DOCUMENTS)]
    np.testing.assert_array_equal(scores[5:], [*scores[:5][::-1], scores[1]])


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_its_range_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="cosine_weight"):
        MaxSimRerankFunction(cosine_weight=weight)


@pytest.mark.peer
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_as_torch_computes_it_from_sentence_transformers(weight: float) -> None:
    """Observed at most 2e-7."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(models.path("all-MiniLM-L6-v2")), device="cpu")
    query, *documents = model.encode([QUERY, *DOCUMENTS], output_value="token_embeddings", convert_to_tensor=True)

    def unit(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(x, dim=-1)

    expected = []
    for document in documents:
        cosine = torch.nn.functional.cosine_similarity(query.mean(0), document.mean(0), dim=0)
        table = unit(query[1:-1]) @ unit(document[1:-1]).T
        late = table.max(dim=1).values.mean() if table.numel() else torch.tensor(0.0)
        expected.append(float(weight * cosine + (1 - weight) * late))
    scores = MaxSimRerankFunction(cosine_weight=weight).scores(QUERY, DOCUMENTS)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


CRANFIELD = Path(__file__).parents[3] / "shared" / "collections" / "cranfield"


@pytest.mark.skipif(not CRANFIELD.is_dir(), reason="the Cranfield collection is not beside this checkout")
@pytest.mark.slow
def test_it_raises_ndcg_at_10_over_its_own_first_stage_on_cranfield() -> None:
    """docs/rerankers.md has the whole collection; here 15 queries over the documents judged for 20, for time's sake."""
    import ir_measures

    from refimpl import MiniLMEmbeddingFunction

    corpus = [json.loads(line) for line in (CRANFIELD / "corpus.jsonl").read_text().splitlines()]
    lines = (CRANFIELD / "qrels" / "test.tsv").read_text().splitlines()[1:]
    qrels: dict[str, dict[str, int]] = {}
    for query_id, doc_id, relevance in (line.split("\t") for line in lines):
        qrels.setdefault(query_id, {})[doc_id] = int(relevance)
    queries = [json.loads(line) for line in (CRANFIELD / "queries.jsonl").read_text().splitlines()]
    queries = [entry for entry in queries if entry["_id"] in qrels]
    pool = {doc_id for entry in queries[:20] for doc_id in qrels[entry["_id"]]}
    queries = queries[:15]
    corpus = [entry for entry in corpus if entry["_id"] in pool]
    texts = [f"{entry.get('title', '')} {entry['text']}".strip() for entry in corpus]
    encode = MiniLMEmbeddingFunction()
    cosines = encode([entry["text"] for entry in queries]) @ encode(texts).T
    rf = MaxSimRerankFunction()
    vectors = rf.encode(texts)
    before: dict[str, dict[str, float]] = {}
    after: dict[str, dict[str, float]] = {}
    for entry, row in zip(queries, cosines, strict=True):
        top = np.argsort(-row, kind="stable")[:30]
        before[entry["_id"]] = {corpus[i]["_id"]: float(row[i]) for i in top}
        (query,) = rf.encode([entry["text"]])
        after[entry["_id"]] = {corpus[i]["_id"]: rf.similarity(query, vectors[i]) for i in top}
    judged = {entry["_id"]: qrels[entry["_id"]] for entry in queries}
    measure = ir_measures.nDCG @ 10
    first, second = (ir_measures.calc_aggregate([measure], judged, run)[measure] for run in (before, after))
    assert second > first + 0.01
