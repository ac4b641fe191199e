"""BGE rerankers against transformers: the query is kept, the document alone is truncated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models

from refimpl import BGERerankFunction, CrossEncoderRerankFunction, models

MODEL = Path(__file__).parents[2] / "data" / "vectors" / "rerank" / "model"
QUERY = "which planet is red?"
LONG_QUERY = " ".join(small_models.WORDS)
DOCUMENTS = small_models.documents(14, 60)


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A model folder and transformers' own model of it, in float64."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bert":
        return folder, small_models.bert(folder, models.path("all-MiniLM-L6-v2") / "tokenizer.json")
    return folder, small_models.xlm_roberta(folder)


def pieces(folder: Path, text: str, most: int) -> list[int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer(text, add_special_tokens=False, truncation=True, max_length=most)["input_ids"]


def pair(folder: Path, query: str, document: str, query_most: int, most: int) -> list[int]:
    """[CLS] q [SEP] d [SEP], or <s> q </s> </s> d </s>, of pieces that transformers' tokenizer gives."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    first, last = tokenizer.cls_token_id, tokenizer.convert_tokens_to_ids("</s>")
    between = [last, last]
    if tokenizer.cls_token == "[CLS]":
        last = tokenizer.sep_token_id
        between = [last]
    ids = pieces(folder, query, query_most)
    room = most - len(ids) - len(between) - 2
    return [first, *ids, *between, *pieces(folder, document, most)[:room], last]


@pytest.mark.peer
class TestAgainstTransformers:
    @pytest.mark.parametrize("query", [QUERY, "?", LONG_QUERY])
    def test_pairs_token_for_token(self, peer: tuple[Path, Any], query: str) -> None:
        folder, _ = peer
        tokens = BGERerankFunction(folder, query_max_length=9, max_length=30).tokens(query, DOCUMENTS)
        expected = [pair(folder, query, document, 9, 30) for document in DOCUMENTS]
        assert [tokens.input_ids[s : s + n].tolist() for s, n in zip(tokens.starts, tokens.lengths, strict=True)] == (
            expected
        )
        assert tokens.truncated.any()

    def test_a_short_query_as_transformers_only_second(self, peer: tuple[Path, Any]) -> None:
        from transformers import AutoTokenizer

        folder, _ = peer
        theirs = AutoTokenizer.from_pretrained(folder)(
            [QUERY] * len(DOCUMENTS), DOCUMENTS, truncation="only_second", max_length=30
        )
        ours = BGERerankFunction(folder, query_max_length=20, max_length=30).tokens(QUERY, DOCUMENTS)
        assert ours.input_ids.tolist() == [i for ids in theirs["input_ids"] for i in ids]
        segments = [i for ids in theirs.get("token_type_ids", []) for i in ids] or [0] * len(ours.input_ids)
        assert ours.token_type_ids.tolist() == segments

    @pytest.mark.parametrize("normalize", [True, False])
    def test_scores_within_1e_10(self, peer: tuple[Path, Any], normalize: bool) -> None:
        import torch
        from transformers import AutoTokenizer

        folder, model = peer
        pairs = AutoTokenizer.from_pretrained(folder)(
            [QUERY] * len(DOCUMENTS), DOCUMENTS, truncation="only_second", max_length=30, padding=True,
            return_tensors="pt",
        )  # fmt: skip
        with torch.no_grad():
            logits = model(**pairs).logits[:, 0]
        expected = (torch.sigmoid(logits) if normalize else logits).numpy()
        rf = BGERerankFunction(folder, True, 5, normalize, None, 20, 30, dtype="float64")
        assert np.ptp(expected) > 0.01
        np.testing.assert_allclose(rf.scores(QUERY, DOCUMENTS), expected, rtol=0, atol=1e-10)


def test_the_query_is_kept_where_a_cross_encoder_truncates_it() -> None:
    query, document = "mars " * 20, "venus " * 10
    bge = BGERerankFunction(MODEL, query_max_length=20, max_length=25).tokens(query, [document])
    other = CrossEncoderRerankFunction(MODEL, max_length=25).tokens(query, [document])
    counts = [np.bincount(tokens.token_type_ids).tolist() for tokens in (bge, other)]
    assert counts[0] == [1 + 20 + 1, 2 + 1]  # [CLS] 20 [SEP], 2 [SEP]
    assert counts[1] != counts[0]


def test_an_activation_in_config_json_has_no_effect() -> None:
    """The folder's is Identity, which `CrossEncoderRerankFunction` applies."""
    probabilities = BGERerankFunction(MODEL, max_length=60, query_max_length=9, dtype="float64")
    logits = BGERerankFunction(MODEL, normalize=False, max_length=60, query_max_length=9, dtype="float64")
    x = logits.scores(QUERY, DOCUMENTS)
    np.testing.assert_allclose(probabilities.scores(QUERY, DOCUMENTS), 1 / (1 + np.exp(-x)), rtol=1e-12)
    assert not ((x > 0) & (x < 1)).all()


@pytest.mark.parametrize("longest", [0, -1, 37, 40])
def test_a_query_length_without_room_for_a_document(longest: int) -> None:
    with pytest.raises(ValueError, match=f"expected a length of the first text from 1 to 36, got {longest}"):
        BGERerankFunction(MODEL, query_max_length=longest, max_length=40)


@pytest.mark.parametrize(
    ("keyword", "reason"),
    [
        ({"cutoff_layers": [28]}, "have no layers to leave out"),
        ({"model_class": "decoder-only-base"}, "it is read from the model's folder"),
        ({"query_instruction_for_rerank": "q: "}, "prepend it to the query or the documents"),
        ({"nonsense": 1}, "it has no effect here"),
    ],
)
def test_further_keywords_are_refused_by_name(keyword: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=rf"BGERerankFunction does not support {next(iter(keyword))}=.*{reason}"):
        BGERerankFunction(MODEL, **keyword)


def test_devices_is_another_name_of_device() -> None:
    BGERerankFunction(MODEL, max_length=60, query_max_length=9, devices=["cpu"], trust_remote_code=False)
    with pytest.raises(ValueError, match=r"devices must be 'cpu', got \['cuda:0'\]"):
        BGERerankFunction(MODEL, devices=["cuda:0"])
