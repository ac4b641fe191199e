"""BGE-M3's three kinds of vector against torch, lexical weights computed by hand, and input validation."""

import numpy as np
import pytest
import seeded
from safetensors.numpy import load_file
from scipy.sparse import csr_array

from refimpl import BGEM3EmbeddingFunction
from refimpl.bert.files import WeightsError
from refimpl.hybrid.kinds import lexical_weights
from refimpl.tokens import Tokens, TruncationWarning

KINDS = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return seeded.bge_m3_folder(tmp_path_factory.mktemp("bge-m3"))


@pytest.fixture(scope="module")
def exact(folder):
    return BGEM3EmbeddingFunction(folder, dtype="float64", **KINDS)


@pytest.mark.peer
@pytest.mark.parametrize("normalize", [True, False])
def test_all_three_equal_the_published_arithmetic_in_torch(folder, normalize):
    """float64, padded as a batch: first token; relu of the linear, maximum by id; linear of all but the first."""
    function = BGEM3EmbeddingFunction(folder, dtype="float64", normalize_embeddings=normalize, **KINDS)
    vectors = function(seeded.TEXTS)
    dense, sparse, late = seeded.torch_bge_m3(folder, seeded.TEXTS, normalize)
    assert np.abs(vectors["dense"] - dense).max() <= 1e-10
    assert np.abs(vectors["sparse"].toarray() - sparse).max() <= 1e-10
    assert np.count_nonzero(sparse) > 20
    for mine, theirs in zip(vectors["colbert_vecs"], late, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).max() <= 1e-10


def test_float32_stays_near_float64(folder, exact):
    quick, true = BGEM3EmbeddingFunction(folder, **KINDS)(seeded.TEXTS), exact(seeded.TEXTS)
    assert quick["dense"].dtype == quick["sparse"].dtype == quick["colbert_vecs"][0].dtype == np.float32
    assert np.abs(quick["dense"] - true["dense"]).max() <= 2e-6
    assert abs(quick["sparse"] - true["sparse"]).max() <= 1e-5
    assert max(np.abs(a - b).max() for a, b in zip(quick["colbert_vecs"], true["colbert_vecs"], strict=True)) <= 2e-6


def test_the_forms_are_pymilvus_models(exact):
    vectors = exact.encode_queries(seeded.TEXTS)
    assert list(vectors) == ["dense", "sparse", "colbert_vecs"]
    assert exact.dim == {"dense": 32, "sparse": seeded.VOCABULARY, "colbert_vecs": 16}
    assert isinstance(vectors["sparse"], csr_array)
    assert vectors["sparse"].has_canonical_format
    assert vectors["sparse"].data.min() > 0
    lengths = exact.tokenizer(seeded.TEXTS).lengths
    assert [len(text) for text in vectors["colbert_vecs"]] == (lengths - 1).tolist()
    empty = exact([])
    assert empty["dense"].shape == (0, 32)
    assert empty["sparse"].shape == (0, seeded.VOCABULARY)
    assert empty["colbert_vecs"] == []


def test_truncation_is_a_warning(exact):
    with pytest.warns(TruncationWarning, match="1 of 2 texts exceed max_length=40 tokens and were truncated"):
        exact(["fox " * 50, "dog"])


def test_only_the_selected_kinds_are_returned(folder, exact):
    assert list(BGEM3EmbeddingFunction(folder)(["fox"])) == ["dense", "sparse"]
    sparse = BGEM3EmbeddingFunction(folder, dtype="float64", return_dense=False)(seeded.TEXTS)
    assert list(sparse) == ["sparse"]
    assert abs(sparse["sparse"] - exact(seeded.TEXTS)["sparse"]).max() <= 1e-12


def test_neighbours_and_batches_change_nothing(folder, exact):
    alone = BGEM3EmbeddingFunction(folder, 1, dtype="float64", num_workers=1, **KINDS)
    for row, text in enumerate(seeded.TEXTS):
        one, all_ = alone([text]), exact(seeded.TEXTS)
        np.testing.assert_allclose(one["dense"][0], all_["dense"][row], rtol=0, atol=1e-12)
        np.testing.assert_allclose(one["sparse"].toarray()[0], all_["sparse"].toarray()[row], rtol=0, atol=1e-12)
        np.testing.assert_allclose(one["colbert_vecs"][0], all_["colbert_vecs"][row], rtol=0, atol=1e-12)


def test_lexical_weights_of_a_hand_computed_batch():
    ids = np.array([0, 5, 7, 5, 2, 0, 2, 0, 7, 2])
    tokens = Tokens(ids, np.zeros_like(ids), np.array([5, 2, 3]), np.zeros(3, dtype=bool))
    weights = np.array([9.0, 0.5, 0.0, 0.75, 9, 9, 9, 9, 0.25, 9])
    matrix = lexical_weights(tokens, weights, [0, 2, 1, 3], 8)
    np.testing.assert_array_equal(matrix.toarray(), [[0, 0, 0, 0, 0, 0.75, 0, 0], [0] * 8, [0] * 7 + [0.25]])
    assert matrix.has_canonical_format
    assert matrix.nnz == 2, "a weight of 0 is not stored"
    assert lexical_weights(tokens, 0 * weights, [0, 2], 8).shape == (3, 8)


def test_safetensors_and_torchs_file_are_one_model(folder, exact, tmp_path):
    import shutil

    copied = shutil.copytree(folder, tmp_path / "copied")
    seeded.save_torch(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    vectors = BGEM3EmbeddingFunction(copied, dtype="float64", **KINDS)(seeded.TEXTS)
    np.testing.assert_array_equal(vectors["dense"], exact(seeded.TEXTS)["dense"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"device": "cuda:0"},
            "device must be 'cpu', got 'cuda:0': refimpl computes in numpy on the CPU, leave it out",
        ),
        ({"devices": ["cpu", "cuda:1"]}, r"devices must be 'cpu', got \['cpu', 'cuda:1'\]"),
        ({"use_fp16": True}, "use_fp16 must be False, got True: refimpl computes in float32 or float64"),
        ({"return_dense": False, "return_sparse": False}, "expected a kind of vector, got none: set return_dense"),
        ({"max_length": 201}, "max_length must be at most 200, the model's positions, got 201"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        BGEM3EmbeddingFunction(folder, **settings)


def test_a_head_of_another_shape_is_refused(folder, tmp_path):
    import shutil

    copied = shutil.copytree(folder, tmp_path / "copied")
    shutil.copy(copied / "colbert_linear.pt", copied / "sparse_linear.pt")
    with pytest.raises(WeightsError, match=r"sparse_linear\.pt: expected weight \(1, 32\) and its bias, got"):
        BGEM3EmbeddingFunction(copied)
    (copied / "sparse_linear.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"sparse_linear\.pt is missing"):
        BGEM3EmbeddingFunction(copied)


@pytest.mark.huge
def test_real_size_takes_less_than_3_gb(tmp_path):
    """24 layers and 250,002 pieces with random weights: a child without torch, one text of 8192 tokens."""
    pytest.importorskip("torch", reason="torch writes the 2.3 GB of weights")
    import bge_m3_real_size

    bge_m3_real_size.write(tmp_path)
    tokens, _, _, rss_bytes = bge_m3_real_size.measured(tmp_path, 8190)
    assert tokens == 8192
    assert 500e6 < rss_bytes < 3e9, rss_bytes
