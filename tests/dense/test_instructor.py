"""Instructor's vectors against torch: the instruction is read and left out of the mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeded
from safetensors.numpy import load_file

from refimpl import InstructorEmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.tokens import TruncationWarning

QUERY, DOCUMENT = "the query:", "  each document of mars "
TEXTS = [*seeded.TEXTS[:3], "  naïve readers  "]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded.instructor_folder(tmp_path_factory.mktemp("instructor"))


def instructor(folder: Path, **options: Any) -> InstructorEmbeddingFunction:
    return InstructorEmbeddingFunction(folder, 2, QUERY, DOCUMENT, dtype="float64", **options)


def in_torch(folder: Path, instruction: str, texts: list[str]) -> np.ndarray:
    """InstructorEmbedding 1.0's steps on one batch padded to its longest text, in float64."""
    import torch
    from transformers import AutoTokenizer

    splitter = AutoTokenizer.from_pretrained(folder)
    joined = [instruction.strip() + text.strip() for text in texts]
    batch = splitter(joined, padding=True, truncation=True, return_tensors="pt")
    alone = len(splitter(instruction.strip())["input_ids"]) - 1  # without the closing token
    with torch.no_grad(), seeded.float64_throughout():
        states = seeded.torch_model("t5")(batch["input_ids"], batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"].clone()
    mask[:, :alone] = 0
    means = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    weight = torch.from_numpy(load_file(folder / "2_Dense" / "model.safetensors")["linear.weight"]).double()
    return torch.nn.functional.normalize(means @ weight.T, dim=1).numpy()


@pytest.mark.peer
@pytest.mark.parametrize(
    ("method", "instruction"), [("encode_queries", QUERY), ("encode_documents", DOCUMENT), ("__call__", DOCUMENT)]
)
def test_vectors_are_those_of_the_published_steps_in_torch(folder: Path, method: str, instruction: str) -> None:
    ours = getattr(instructor(folder), method)(TEXTS)
    np.testing.assert_allclose(ours, in_torch(folder, instruction, TEXTS), rtol=0, atol=1e-10)


def test_the_instruction_is_read_and_left_out_of_the_mean(folder: Path) -> None:
    plain = InstructorEmbeddingFunction(folder, 2, "", "", dtype="float64")
    assert abs(instructor(folder)(TEXTS) - plain(TEXTS)).max() > 0.01
    assert abs(instructor(folder)(TEXTS) - plain([DOCUMENT.strip() + text.strip() for text in TEXTS])).max() > 0.01


def test_spaces_at_the_ends_have_no_effect(folder: Path) -> None:
    vectors = instructor(folder).encode_documents(["naïve readers", "  naïve readers\n"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_float32_stays_near_float64(folder: Path) -> None:
    quick = InstructorEmbeddingFunction(folder, 2, QUERY, DOCUMENT)(TEXTS)
    assert quick.dtype == np.float32
    np.testing.assert_allclose(quick, instructor(folder)(TEXTS), rtol=0, atol=2e-6)


def test_forms(folder: Path) -> None:
    assert instructor(folder).dim == 16
    assert instructor(folder)([]).shape == (0, 16)
    lengths = np.linalg.norm(instructor(folder)(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-12)


def test_truncation(folder: Path) -> None:
    with pytest.warns(TruncationWarning, match="1 of 2 texts exceed max_length=40"):
        instructor(folder)(["fox " * 50, "dog"])


def test_of_an_instruction_beyond_the_length_the_closing_token_remains(folder: Path) -> None:
    """As in InstructorEmbedding: every text then has the same tokens, and the same vector."""
    long = InstructorEmbeddingFunction(folder, doc_instruction="fox " * 50, dtype="float64")
    with pytest.warns(TruncationWarning):
        vectors = long(["dog", "mars"])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=0, atol=1e-12)


def test_another_pooling_is_refused(tmp_path: Path) -> None:
    other = seeded.instructor_folder(tmp_path / "cls", pooling_mode_cls_token=True)
    with pytest.raises(WeightsError, match="expected mean pooling, got cls: give an Instructor model"):
        InstructorEmbeddingFunction(other)


def test_a_truncate_dim_is_refused(tmp_path: Path) -> None:
    other = seeded.instructor_folder(tmp_path / "short")
    (other / "config_sentence_transformers.json").write_text('{"truncate_dim": 8}', encoding="utf-8")
    with pytest.raises(WeightsError, match="expected truncate_dim None, got 8"):
        InstructorEmbeddingFunction(other)
