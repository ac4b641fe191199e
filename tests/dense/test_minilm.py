"""MiniLMEmbeddingFunction: published vectors and scores, invariances, input validation, and torch."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from refimpl import DefaultEmbeddingFunction, MiniLMEmbeddingFunction
from refimpl.tokens import TruncationWarning

INVARIANCE = 1e-6  # allowed change of a unit vector by padding, batch size, order and other texts; observed 2.0e-7

DOCUMENTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]
# Milvus blog, 2024-06-05: the first vector's first twelve entries and the third's last eight
FIRST = [-3.09392996e-02, -1.80662833e-02, 1.34775648e-02, 2.77156215e-02, -4.86349640e-03, -3.12581174e-02]
FIRST += [-3.55921760e-02, 5.76934684e-03, 2.80773244e-03, 1.35783911e-01, 3.59678417e-02, 6.17732145e-02]
THIRD = [-4.61330153e-02, -4.85207550e-02, 3.13997865e-02, 7.82178566e-02]
THIRD += [-4.75336798e-02, 5.21207601e-02, 9.04406682e-02, -5.36676683e-02]

MIXED = ["", "one", "two words", "x" * 99, "naïve 東京 🙂", *("word " * n for n in (3, 30, 31, 62, 126, 200, 254, 300))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_published_vectors_of_the_introduction(minilm_folder, dtype):
    vectors = MiniLMEmbeddingFunction(minilm_folder, dtype=dtype).encode_documents(DOCUMENTS)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == dtype
    np.testing.assert_allclose(vectors[0, :12], FIRST, rtol=0, atol=1e-6)
    np.testing.assert_allclose(vectors[2, -8:], THIRD, rtol=0, atol=1e-6)


def test_spearman_on_sts_benchmark_is_the_published_one(minilm32, sts_pairs):
    gold, first, second = zip(*sts_pairs, strict=True)
    cosine = np.sum(minilm32(first) * minilm32(second), axis=1)
    assert spearmanr(gold, cosine).statistic == pytest.approx(0.8203246731235654, abs=5e-7)  # mtebpaper results


def test_empty_list_gives_no_rows(minilm32):
    for encode in (minilm32, minilm32.encode_documents, minilm32.encode_queries):
        assert encode([]).shape == (0, 384)
        assert encode([]).dtype == np.float32


def test_documents_queries_and_call_are_the_same(minilm32):
    vectors = minilm32(DOCUMENTS)
    np.testing.assert_array_equal(minilm32.encode_documents(DOCUMENTS), vectors)
    np.testing.assert_array_equal(minilm32.encode_queries(tuple(DOCUMENTS)), vectors)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", r"must be a list of str, got one str: wrap it in a list, \['one text'\]"),
        (None, "must be a list of str, got NoneType"),
        (b"bytes", "got bytes: decode it first"),
        (["a", None], r"\[1\] must be a str, got NoneType: leave missing texts out"),
        (["a", b"b"], r"\[1\] must be a str, got bytes: decode it first"),
        (["a", 3], r"\[1\] must be a str, got int: convert it"),
        (7, "must be a list of str, got int"),
    ],
)
def test_a_wrong_type_is_an_error_with_a_remedy(unchecked, minilm32, texts, message):
    with pytest.raises(TypeError, match="documents.*" + message):
        minilm32.encode_documents(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 513}, "max_length must be at most 512"),
        ({"max_length": 2}, "max_length must be an integer over 2"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"num_workers": 0}, "num_workers must be at least 1, got 0"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'"),
    ],
)
def test_wrong_settings_are_refused(minilm_folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        MiniLMEmbeddingFunction(minilm_folder, **arguments)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        MiniLMEmbeddingFunction(tmp_path / "nowhere")


def test_default_embedding_function_is_the_same_class():
    assert DefaultEmbeddingFunction is MiniLMEmbeddingFunction


@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
@pytest.mark.parametrize("arguments", [{"batch_size": 1}, {"batch_size": 3}, {"num_workers": 1}, {"num_workers": 3}])
def test_batch_size_and_workers_change_rounding_alone(minilm_folder, minilm32, arguments):
    change = np.abs(MiniLMEmbeddingFunction(minilm_folder, **arguments)(MIXED) - minilm32(MIXED))
    assert change.max() <= INVARIANCE


@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
def test_order_and_neighbours_change_rounding_alone(minilm32):
    together = minilm32(MIXED)
    np.testing.assert_allclose(minilm32(MIXED[::-1])[::-1], together, rtol=0, atol=INVARIANCE)
    alone = np.concatenate([minilm32([text]) for text in MIXED])
    np.testing.assert_allclose(alone, together, rtol=0, atol=INVARIANCE)


@pytest.mark.filterwarnings("ignore::refimpl.tokens.TruncationWarning")
def test_float32_stays_near_float64(minilm32, minilm64):
    assert np.abs(minilm32(MIXED) - minilm64(MIXED)).max() <= 1e-6


def test_truncation_is_a_warning(minilm32):
    with pytest.warns(TruncationWarning, match="2 of 3 texts exceed max_length=256 tokens"):
        truncated = minilm32(["word " * 255, "word " * 254, "word " * 9000])
    np.testing.assert_allclose(truncated, truncated[[1, 1, 1]], rtol=0, atol=INVARIANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minilm32(["word " * 254])


def test_max_length_512_reaches_the_position_table(minilm_folder, minilm32):
    longer = MiniLMEmbeddingFunction(minilm_folder, max_length=512)
    assert np.abs(longer(["word " * 510]) - longer(["word " * 254])).max() > 1e-3


def test_without_normalisation_rows_keep_their_direction(minilm_folder, minilm32):
    raw = MiniLMEmbeddingFunction(minilm_folder, normalize=False)(DOCUMENTS)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.all(lengths > 1.5)
    np.testing.assert_allclose(raw / lengths, minilm32(DOCUMENTS), rtol=0, atol=1e-7)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300))
def test_any_unicode_gives_a_finite_unit_vector(minilm32, text):
    vector = minilm32([text])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


def test_huge_text_and_many_texts(minilm32):
    with pytest.warns(TruncationWarning):
        assert np.isfinite(minilm32(["word " * 400_000])).all()
    vectors = minilm32(["a"] * 5000)  # more than one batch of the tokenizer
    assert np.abs(vectors - vectors[0]).max() <= INVARIANCE


def test_progress_is_shown_on_stderr_with_show_progress_alone(minilm_folder, capfd):
    MiniLMEmbeddingFunction(minilm_folder)(["one"])
    assert capfd.readouterr() == ("", "")
    MiniLMEmbeddingFunction(minilm_folder, show_progress=True)(["one", "two"])
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "embedding" in captured.err
    assert "2/2" in captured.err


def test_peak_memory_of_1000_short_texts_is_under_400_mb():
    code = (
        "import refimpl; refimpl.MiniLMEmbeddingFunction()([f'a short text number {i}' for i in range(1000)])\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # kB; ru_maxrss would count the parent
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rss_bytes = int(done.stdout) * 1024
    assert 50e6 < rss_bytes < 400e6, rss_bytes


@pytest.mark.peer
def test_float32_is_no_farther_from_float64_than_torch(minilm32, minilm64, minilm_folder, sts_pairs):
    from sentence_transformers import SentenceTransformer

    texts = [pair[1] for pair in sts_pairs] + ["word " * n for n in range(1, 254, 4)]
    exact = minilm64(texts)
    theirs = SentenceTransformer(str(minilm_folder), device="cpu").encode(texts)
    mine_max, torch_max = np.abs(minilm32(texts) - exact).max(), np.abs(theirs - exact).max()
    print(f"max distance from float64 on {len(texts)} texts: refimpl {mine_max:.3g}, torch {torch_max:.3g}")
    assert mine_max <= torch_max
