"""The packed forward against the textbook one on every case length, and each deviation against its definition."""

import numpy as np
import pytest
from scipy.special import erf
from threadpoolctl import threadpool_info

from refimpl.bert import encoder as encoder_module
from refimpl.bert import packed, packed_attention, packed_ops
from refimpl.bert.encoder import Encoder, tiles_by_length
from refimpl.bert.forward import forward
from refimpl.bert.heads import mean_pool, mean_pool_packed
from refimpl.bert.ops import ACTIVATIONS
from refimpl.bert.packed import PackedForward
from refimpl.bert.packed_attention import equal_length_groups
from refimpl.bert.packed_layer import Norm
from refimpl.bert.weights import BertWeights
from refimpl.tokens import Tokens

LENGTHS = [2, 1, 3, 2, 7, 8, 9, 15, 16, 17, 31, 32, 5, 5, 5]


def tokens_of(lengths: list[int]) -> Tokens:
    rng = np.random.default_rng(7)
    total = sum(lengths)
    ids, types = rng.integers(0, 50, total), rng.integers(0, 2, total)
    return Tokens(ids, types, np.array(lengths), np.zeros(len(lengths), dtype=bool))


def packed_vectors(encoder: Encoder, tokens: Tokens) -> np.ndarray:
    vectors = np.full((len(tokens), encoder.weights.config.hidden_size), np.nan, dtype=np.float32)
    for rows, pooled in encoder.map(tokens, mean_pool_packed):
        vectors[rows] = pooled
    return vectors


def textbook_vectors(folder, tokens: Tokens) -> np.ndarray:
    weights = BertWeights.load(folder, "float64")
    rows = []
    for i in range(len(tokens)):
        batch = tokens.select(np.array([i])).padded()
        states = forward(weights, batch.input_ids, batch.attention_mask, batch.token_type_ids)
        rows.append(mean_pool(states.last_hidden_state, batch.attention_mask))
    return np.concatenate(rows)


@pytest.mark.parametrize("tile_tokens", [1, 16, 512])
@pytest.mark.parametrize("batch_size", [1, 4, 128])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_packed_equals_textbook_for_every_length(tiny_folder, monkeypatch, tile_tokens, batch_size, num_workers):
    monkeypatch.setattr(encoder_module, "TILE_TOKENS", tile_tokens)
    tokens = tokens_of(LENGTHS)
    encoder = Encoder(BertWeights.load(tiny_folder), batch_size=batch_size, num_workers=num_workers)
    difference = np.abs(packed_vectors(encoder, tokens) - textbook_vectors(tiny_folder, tokens))
    assert difference.max() <= 1e-5  # entries of about 1


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("lengths", [[1], [8], [5, 5, 3], [32, 32]])
def test_packed_equals_textbook_in_either_order(tiny_folder, monkeypatch, few, lengths):
    monkeypatch.setattr(packed, "few_tokens", lambda: few)
    tokens = tokens_of(lengths)
    encoder = Encoder(BertWeights.load(tiny_folder))
    assert np.abs(packed_vectors(encoder, tokens) - textbook_vectors(tiny_folder, tokens)).max() <= 1e-5


@pytest.mark.parametrize(("kernels", "few"), [("SkylakeX", packed_ops.FEW_TOKENS), ("Zen", 0), (None, 0)])
def test_few_tokens_depend_on_the_kernels_of_blas(monkeypatch, kernels, few):
    monkeypatch.setattr(packed_ops, "threadpool_info", lambda: [{"user_api": "openmp"}, {"architecture": kernels}])
    assert packed_ops.few_tokens.__wrapped__() == few


@pytest.mark.parametrize("hidden_act", ["gelu_new", "relu", "silu"])
def test_packed_equals_textbook_for_other_activations(tiny_folder, tmp_path, hidden_act):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_folder / file).read_bytes().replace(b'"gelu"', f'"{hidden_act}"'.encode()))
    tokens = tokens_of([4, 6])
    encoder = Encoder(BertWeights.load(tmp_path))
    assert np.abs(packed_vectors(encoder, tokens) - textbook_vectors(tmp_path, tokens)).max() <= 1e-5


def test_gelu_is_within_its_stated_bound():
    x = np.linspace(-12.0, 12.0, 400_000, dtype=np.float32)  # without 0, where it is exact
    approximation = x.copy()
    with np.errstate(over="ignore"):
        packed_ops.gelu(approximation, [np.empty_like(x), np.empty_like(x)])
    exact = x.astype(np.float64)
    phi = approximation / exact
    assert np.abs(phi - 0.5 * (1.0 + erf(exact / np.sqrt(2.0)))).max() <= 2e-7  # observed 1.44e-7: erf within 2.9e-7


@pytest.mark.parametrize("name", packed_ops.IN_PLACE)
def test_activations_far_from_0_and_at_it(name):
    far = np.array([[-3e38, -1e4, -200, 0, 50, 1e4, 3e38]], dtype=np.float32)
    expected = np.maximum(far, 0)
    packed_ops.activate(far, np.zeros((1, 1), dtype=np.float32), name)
    np.testing.assert_array_equal(far, expected)


@pytest.mark.parametrize("name", packed_ops.IN_PLACE)
def test_activations_are_the_textbooks(name):
    x = np.linspace(-20.0, 20.0, 100_000, dtype=np.float32)[None]
    exact = ACTIVATIONS[name](x.astype(np.float64))
    packed_ops.activate(x, None, name)
    assert np.abs(x - exact).max() <= 2e-6  # observed 1e-6, float32's rounding of 20


@pytest.mark.parametrize("shift", [0.0, 60.0, 100.0, -100.0, 3e4])
def test_softmax_is_exact_where_exp_exceeds_float32(shift):
    rng = np.random.default_rng(3)
    query = np.concatenate([rng.standard_normal((2, 4, 5)), np.ones((2, 1, 5))], axis=1).astype(np.float32)
    keys = np.concatenate([rng.standard_normal((2, 7, 4)), np.full((2, 7, 1), shift)], axis=2).astype(np.float32)
    keys[0, :, -1] = 0.0  # one text is within range while the other is not
    exponentials, sums = packed_attention.exponentials_and_sums(keys, query, None)
    scores = keys.astype(np.float64) @ query.astype(np.float64)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.isfinite(exponentials).all()
    assert np.abs(exponentials / sums - expected).max() <= max(1e-6, 1e-6 * abs(shift))  # float32 rounds the scores


@pytest.mark.parametrize(("score", "value"), [(-75.0, 1e-7), (80.0, 1e6)])
def test_exponentials_do_not_leave_float32_with_their_values(score, value):
    """Exponentials within float32's range, whose products with the values are not: the bounds of SAFE_SUMS."""
    keys, query = np.full((1, 1, 1, 3, 1), score, np.float32), np.ones((1, 1, 1, 1, 1), np.float32)
    values = np.array([1.25, 2.5, 3.75], np.float32).reshape(1, 1, 1, 1, 3) * np.float32(value)
    context = np.empty((1, 1, 1, 1, 1), np.float32)
    packed_attention.attention([packed_attention.AttentionPart(keys, values, query, None, context)])
    np.testing.assert_allclose(context, 2.5 * value, rtol=1e-6)  # three equal probabilities: the mean


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("tokens", [1, 8, packed_ops.FEW_TOKENS, packed_ops.FEW_TOKENS + 1, 40])
@pytest.mark.parametrize(("rows", "features"), [(2, 30), (50, 30), (96, 1536), (144, 384)])
def test_a_product_is_the_same_in_either_order(order, tokens, rows, features):
    rng = np.random.default_rng(tokens)
    weight, x = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, features), (features, tokens)))
    out = np.full((rows, tokens), np.nan, dtype=np.float32, order=order)
    packed_ops.product(weight, np.asarray(x, order=order), out=out)
    np.testing.assert_allclose(out, weight.astype(np.float64) @ x, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("features", "most"), [(384, 5.5e-6), (1536, 1.1e-5)])  # in one run: 6.9e-6, 1.4e-5
def test_products_in_short_runs_round_less(monkeypatch, features, most):
    """Root mean square distance from float64 of sums of standard normal products, on the kernels for AVX-512."""
    monkeypatch.setattr(packed_ops, "few_tokens", lambda: packed_ops.FEW_TOKENS)
    rng = np.random.default_rng(0)
    weight, x = (rng.standard_normal(shape).astype(np.float32) for shape in ((400, features), (features, 40)))
    out = np.full((400, 40), np.nan, dtype=np.float32)
    packed_ops.product(weight, x, out=out)
    assert np.sqrt(np.mean((out - weight.astype(np.float64) @ x) ** 2)) <= most


@pytest.mark.parametrize(("order", "most"), [("C", 2e-8), ("F", 1e-15)])  # in float32: 8.4e-8, 4.6e-8
def test_means_round_less_than_in_float32(order, most):
    """Root mean square distance of the mean of 384 numbers of about 1 from float64."""
    x = np.asarray(np.random.default_rng(0).standard_normal((384, 400)) + 1.0, np.float32, order=order)
    means = packed_ops.column_means(x)
    assert means.dtype == np.float64
    assert np.sqrt(np.mean((means - x.astype(np.float64).mean(axis=0)) ** 2)) <= most


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("features", [6, 32, 36, 384])
def test_norm_down_the_columns(order, features):
    rng = np.random.default_rng(features)
    x, residual = (np.asarray(rng.standard_normal((features, 5)), np.float32, order=order) for _ in range(2))
    bias, weight, shift = rng.standard_normal((3, features, 1)).astype(np.float32)
    summed = x.astype(np.float64) + residual + bias
    centred = summed - summed.mean(axis=0)
    expected = centred / np.sqrt((centred**2).mean(axis=0) + 1e-12) * weight + shift
    packed_ops.add_and_norm(x, residual, bias, None, Norm(weight, shift, np.float32(1e-12), centred=True))
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "heads", "length"), [(1, 1, 1), (30, 12, 16), (3, 12, 128), (1, 12, 512), (2, 16, 9000)]
)
def test_attention_takes_every_query_of_every_head_once(texts, heads, length):
    times = np.zeros((heads, length), dtype=int)
    for some, queries in packed_attention.heads_and_queries(texts, heads, length):
        times[some, queries] += 1
        scores = texts * times[some, queries].size * length
        assert scores <= packed_attention.MOST_SCORES or times[some, queries].size <= packed_attention.LEAST_QUERIES
    assert (times == 1).all()


def test_tiles_contain_every_text_once_within_their_bounds():
    lengths = np.array([5, 300, 2, 600, 40, 40, 2])
    tiles = list(tiles_by_length(lengths, batch_size=3, num_workers=1))
    assert sorted(np.concatenate(tiles).tolist()) == list(range(7))
    assert [sorted(lengths[tile].tolist()) for tile in tiles] == [[600], [40, 40, 300], [2, 2, 5]]
    assert list(tiles_by_length(np.array([], dtype=int), 3, 2)) == []


def test_tiles_share_the_work_among_the_workers():
    assert [len(tile) * 10 for tile in tiles_by_length(np.full(100, 10), 128, 2)] == [500, 500]
    assert len(list(tiles_by_length(np.full(6, 10), 128, 2))) == 1


def test_texts_longer_than_planned_do_not_leave_a_worker_without_a_tile():
    lengths = np.arange(120, 250, 7)  # 19 texts, 3,477 tokens: four tiles for each of two workers
    sizes = [int(lengths[tile].sum()) for tile in tiles_by_length(lengths, 128, 2)]
    assert len(sizes) == 8
    assert max(sizes) <= 3477 / 8 + 250


def test_equal_lengths_are_grouped():
    assert equal_length_groups(np.array([4, 4, 3, 1])) == [(slice(0, 8), 4), (slice(8, 11), 3), (slice(11, 12), 1)]


def test_blas_threads_are_as_before_afterwards(tiny_folder):
    before = [(pool["prefix"], pool["num_threads"]) for pool in threadpool_info()]
    packed_vectors(Encoder(BertWeights.load(tiny_folder)), tokens_of(LENGTHS))
    assert [(pool["prefix"], pool["num_threads"]) for pool in threadpool_info()] == before


def test_refusals(tiny_folder):
    with pytest.raises(ValueError, match="computes in float32, got float64"):
        PackedForward(BertWeights.load(tiny_folder, "float64"))
    with pytest.raises(ValueError, match="num_workers must be at least 1, got 0"):
        Encoder(BertWeights.load(tiny_folder), num_workers=0)
    encoder = Encoder(BertWeights.load(tiny_folder))
    with pytest.raises(ValueError, match="33 tokens exceed the model's 32 positions"):
        list(encoder.map(tokens_of([33]), mean_pool_packed))
