"""mGTE's dense and sparse vectors against torch, the forms of the results, and input validation."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeded
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from refimpl import MGTEEmbeddingFunction
from refimpl.tokens import TruncationWarning


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded.mgte_folder(tmp_path_factory.mktemp("mgte"))


@pytest.fixture(scope="module")
def exact(folder: Path) -> MGTEEmbeddingFunction:
    return MGTEEmbeddingFunction(folder, dtype="float64")


def in_torch(folder: Path, texts: list[str], dimensions: int | None, normalize: bool) -> tuple[Any, Any]:
    """pymilvus.model 0.3.4's arithmetic, on a padded batch in float64: dense, and sparse as a dense array."""
    import torch
    from transformers import AutoTokenizer

    splitter = AutoTokenizer.from_pretrained(folder)
    batch = splitter(texts, padding=True, truncation=True, return_tensors="pt")
    head = {
        name: torch.from_numpy(tensor).double()
        for name, tensor in load_file(folder / "model.safetensors").items()
        if name.startswith("classifier")
    }
    with torch.no_grad(), seeded.float64_throughout():
        states = seeded.torch_model("gte")(batch["input_ids"], batch["attention_mask"]).last_hidden_state
        logits = states @ head["classifier.weight"].T + head["classifier.bias"]
    dense = states[:, 0, :dimensions]
    sparse = np.zeros((len(texts), len(splitter)))
    unused = {splitter.cls_token_id, splitter.eos_token_id, splitter.pad_token_id, splitter.unk_token_id}
    for row, (ids, weights) in enumerate(zip(batch["input_ids"], torch.relu(logits)[:, :, 0], strict=True)):
        for token, weight in zip(ids.tolist(), weights.tolist(), strict=True):
            if token not in unused:
                sparse[row, token] = max(sparse[row, token], weight)
    return (torch.nn.functional.normalize(dense, dim=-1) if normalize else dense).numpy(), sparse


@pytest.mark.peer
@pytest.mark.parametrize(("dimensions", "normalize"), [(None, True), (None, False), (9, True), (9, False)])
def test_both_kinds_equal_pymilvus_models_arithmetic_in_torch(
    folder: Path, dimensions: int | None, normalize: bool
) -> None:
    function = MGTEEmbeddingFunction(folder, 3, "cpu", normalize, dimensions, dtype="float64")
    vectors = function(seeded.TEXTS)
    dense, sparse = in_torch(folder, seeded.TEXTS, dimensions, normalize)
    np.testing.assert_allclose(vectors["dense"], dense, rtol=0, atol=1e-10)
    np.testing.assert_allclose(vectors["sparse"].toarray(), sparse, rtol=0, atol=1e-10)
    assert np.count_nonzero(sparse) > 20


def test_float32_stays_near_float64(folder: Path, exact: MGTEEmbeddingFunction) -> None:
    quick, true = MGTEEmbeddingFunction(folder)(seeded.TEXTS), exact(seeded.TEXTS)
    assert quick["dense"].dtype == quick["sparse"].dtype == np.float32
    np.testing.assert_allclose(quick["dense"], true["dense"], rtol=0, atol=2e-6)
    assert abs(quick["sparse"] - true["sparse"]).max() <= 1e-5


def test_the_forms_are_pymilvus_models(exact: MGTEEmbeddingFunction) -> None:
    vectors = exact.encode_queries(seeded.TEXTS)
    pieces = exact.tokenizer.vocab_size
    assert list(vectors) == ["dense", "sparse"]
    assert exact.dim == {"dense": 32, "sparse": pieces}
    assert isinstance(vectors["sparse"], csr_array)
    assert vectors["sparse"].shape == (len(seeded.TEXTS), pieces)
    assert vectors["sparse"].has_canonical_format
    assert vectors["sparse"].data.min() > 0
    empty = exact([])
    assert (empty["dense"].shape, empty["sparse"].shape) == ((0, 32), (0, pieces))


def test_one_kind_alone(folder: Path, exact: MGTEEmbeddingFunction) -> None:
    both = exact(seeded.TEXTS)
    for kind in ("dense", "sparse"):
        flags = {f"return_{one}": one == kind for one in ("dense", "sparse")}
        alone = MGTEEmbeddingFunction(folder, dtype="float64", **flags)(seeded.TEXTS)
        assert list(alone) == [kind]
        assert abs(alone[kind] - both[kind]).max() <= 1e-12


def test_truncation_is_a_warning(exact: MGTEEmbeddingFunction) -> None:
    with pytest.warns(TruncationWarning, match="1 of 2 texts exceed max_length=40 tokens and were truncated"):
        exact(["fox " * 50, "dog"])


def test_dimension_is_another_name_of_dimensions(folder: Path) -> None:
    assert MGTEEmbeddingFunction(folder, dimensions=4, dimension=5).dim["dense"] == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda:0"}, "device must be 'cpu', got 'cuda:0'"),
        ({"use_fp16": True}, "use_fp16 must be False, got True: refimpl computes in float32 or float64"),
        ({"return_dense": False, "return_sparse": False}, "got none: set return_dense or return_sparse"),
        ({"dimensions": 0}, "dimensions must be from 1 to 32, or None for the model's own, got 0"),
        ({"dimension": 33}, "dimensions must be from 1 to 32, or None for the model's own, got 33"),
    ],
)
def test_wrong_settings_are_refused(folder: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MGTEEmbeddingFunction(folder, **settings)


def test_an_encoder_without_a_classifier_is_refused(folder: Path, tmp_path: Path) -> None:
    plain = seeded.model_folder(tmp_path / "plain", "gte")
    with pytest.raises(ValueError, match=r"expected a token classifier with one label, got none in .*plain"):
        MGTEEmbeddingFunction(plain)
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    tensors = load_file(copied / "model.safetensors") | {"classifier.weight": np.ones((2, 32), np.float32)}
    save_file(tensors | {"classifier.bias": np.ones(2, np.float32)}, copied / "model.safetensors")
    with pytest.raises(ValueError, match=r"got one of shape \(2, 32\)"):
        MGTEEmbeddingFunction(copied)
