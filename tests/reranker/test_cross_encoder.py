"""The cross-encoder against transformers and sentence-transformers, on small random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models

from refimpl import CrossEncoderRerankFunction, models

QUERY = "which planet is red?"
LONG_QUERY = " ".join(small_models.WORDS * 3)


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A model folder and transformers' own model of it, in float64."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bert":
        tokenizer = models.path("all-MiniLM-L6-v2") / "tokenizer.json"
        return folder, small_models.bert(folder, tokenizer)
    return folder, small_models.xlm_roberta(folder)


def encoded(folder: Path, query: str, documents: list[str]) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer([query] * len(documents), documents, truncation=True, padding=True, return_tensors="pt")


@pytest.mark.peer
class TestAgainstTransformers:
    @pytest.mark.parametrize("query", [QUERY, "?", LONG_QUERY])
    def test_pairs_and_segments_token_for_token(self, peer: tuple[Path, Any], query: str) -> None:
        folder, _ = peer
        documents = small_models.documents(12, 60)
        theirs = encoded(folder, query, documents)
        ours = CrossEncoderRerankFunction(folder).tokens(query, documents)
        mask = theirs["attention_mask"].numpy().astype(bool)
        np.testing.assert_array_equal(ours.lengths, mask.sum(axis=1))
        np.testing.assert_array_equal(ours.input_ids, theirs["input_ids"].numpy()[mask])
        segments = theirs["token_type_ids"].numpy()[mask] if "token_type_ids" in theirs else np.zeros(mask.sum())
        np.testing.assert_array_equal(ours.token_type_ids, segments)
        assert ours.truncated.any()

    @pytest.mark.parametrize("query", [QUERY, LONG_QUERY])
    def test_float64_logits_within_1e_10(self, peer: tuple[Path, Any], query: str) -> None:
        """Observed at most 7e-16."""
        import torch

        folder, model = peer
        documents = small_models.documents(20, 60)
        with torch.no_grad():
            theirs = model(**encoded(folder, query, documents)).logits[:, 0].numpy()
        ours = CrossEncoderRerankFunction(folder, dtype="float64", activation="none", batch_size=7)
        scores = ours.scores(query, documents)
        assert scores.dtype == np.float64
        assert np.ptp(theirs) > 0.01  # equal scores would pass whatever is computed
        np.testing.assert_allclose(scores, theirs, rtol=0, atol=1e-10)

    def test_float32_within_1e_5(self, peer: tuple[Path, Any]) -> None:
        """Observed at most 5e-7."""
        folder, _ = peer
        documents = small_models.documents(30, 60)
        exact = CrossEncoderRerankFunction(folder, dtype="float64").scores(QUERY, documents)
        for workers in (1, 2):
            scores = CrossEncoderRerankFunction(folder, num_workers=workers).scores(QUERY, documents)
            assert scores.dtype == np.float32
            np.testing.assert_allclose(scores, exact, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("named", ["Sigmoid", "Identity", None])
    def test_activation_and_ranks_as_sentence_transformers_has_them(self, peer: tuple[Path, Any], named: str) -> None:
        from sentence_transformers import CrossEncoder

        folder, _ = peer
        config = json.loads((folder / "config.json").read_text())
        config.pop("sentence_transformers", None)
        if named:
            path = "torch.nn.modules.linear" if named == "Identity" else "torch.nn.modules.activation"
            config["sentence_transformers"] = {"activation_fn": f"{path}.{named}", "version": "4.0.1"}
        (folder / "config.json").write_text(json.dumps(config))
        documents = small_models.documents(20, 60)
        theirs = CrossEncoder(str(folder), device="cpu").rank(QUERY, documents)
        rf = CrossEncoderRerankFunction(folder)
        assert rf.activation == ("none" if named == "Identity" else "sigmoid")
        ours = rf(QUERY, documents, top_k=None)
        assert [result.index for result in ours] == [entry["corpus_id"] for entry in theirs]
        np.testing.assert_allclose([r.score for r in ours], [e["score"] for e in theirs], rtol=0, atol=1e-5)

    def test_dropped_segments_are_seen(self, tmp_path: Path) -> None:
        """A common fault of converters: segment ids of zero change the logits by far more than the tolerance."""
        small_models.bert(tmp_path, models.path("all-MiniLM-L6-v2") / "tokenizer.json")
        rf = CrossEncoderRerankFunction(tmp_path, dtype="float64")
        tokens = rf.tokens(QUERY, ["mars is red"])
        right = rf.raw_scores(tokens)
        tokens.token_type_ids[:] = 0
        assert abs(rf.raw_scores(tokens) - right).max() > 1e-3


@pytest.mark.peer
def test_more_than_one_label_is_refused(tmp_path: Path) -> None:
    small_models.bert(tmp_path, models.path("all-MiniLM-L6-v2") / "tokenizer.json", labels=3)
    with pytest.raises(ValueError, match="3 labels"):
        CrossEncoderRerankFunction(tmp_path)


def test_an_encoder_is_no_cross_encoder() -> None:
    with pytest.raises(ValueError, match=r"no classifier.*cross-encoder"):
        CrossEncoderRerankFunction(models.path("all-MiniLM-L6-v2"))


def test_only_the_cpu() -> None:
    with pytest.raises(ValueError, match="cuda"):
        CrossEncoderRerankFunction("anything", device="cuda:0")


def test_equal_documents_are_scored_once_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rf = CrossEncoderRerankFunction(Path(__file__).parents[2] / "data" / "vectors" / "rerank" / "model")
    original, seen = rf.encoder.map, list[int]()
    monkeypatch.setattr(rf.encoder, "map", lambda tokens, head: (seen.append(len(tokens)), original(tokens, head))[1])
    documents = small_models.documents(9, 30)
    scores = rf.scores(QUERY, [*documents, *documents[::-1]])
    assert seen == [len(set(documents))]
    np.testing.assert_array_equal(scores[9:], scores[:9][::-1])
