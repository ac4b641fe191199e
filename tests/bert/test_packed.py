"""The packed forward against the textbook one on every case length, and each of its tricks against its definition."""

import numpy as np
import pytest
from scipy.special import erf
from threadpoolctl import threadpool_info

from refimpl.bert import encoder as encoder_module
from refimpl.bert import packed
from refimpl.bert.encoder import Encoder, tiles_by_length
from refimpl.bert.forward import forward
from refimpl.bert.heads import mean_pool, mean_pool_packed
from refimpl.bert.packed import PackedForward, equal_length_groups
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


@pytest.mark.parametrize(("kernels", "few"), [("SkylakeX", packed.FEW_TOKENS), ("Zen", 0), (None, 0)])
def test_few_tokens_go_by_the_kernels_of_blas(monkeypatch, kernels, few):
    monkeypatch.setattr(packed, "threadpool_info", lambda: [{"user_api": "openmp"}, {"architecture": kernels}])
    assert packed.few_tokens.__wrapped__() == few


@pytest.mark.parametrize("hidden_act", ["gelu_new", "relu", "silu"])
def test_packed_equals_textbook_for_other_activations(tiny_folder, tmp_path, hidden_act):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_folder / file).read_bytes().replace(b'"gelu"', f'"{hidden_act}"'.encode()))
    tokens = tokens_of([4, 6])
    encoder = Encoder(BertWeights.load(tmp_path))
    assert np.abs(packed_vectors(encoder, tokens) - textbook_vectors(tmp_path, tokens)).max() <= 1e-5


def test_gelu_is_within_its_stated_bound():
    x = np.linspace(-12.0, 12.0, 400_000, dtype=np.float32)  # without 0, where it is exact
    found = x.copy()
    with np.errstate(over="ignore"):
        packed.gelu(found, [np.empty_like(x), np.empty_like(x)])
    exact = x.astype(np.float64)
    phi = found / exact
    assert np.abs(phi - 0.5 * (1.0 + erf(exact / np.sqrt(2.0)))).max() <= 2e-7  # observed 1.44e-7: erf within 2.9e-7


def test_gelu_far_from_0_and_at_it():
    far = np.array([[-3e38, -1e4, -50, 0, 50, 1e4, 3e38]], dtype=np.float32)
    expected = np.maximum(far, 0)
    packed.activate(far, np.zeros((1, 1), dtype=np.float32), "gelu")
    np.testing.assert_array_equal(far, expected)


@pytest.mark.parametrize("shift", [0.0, 60.0, 100.0, -100.0, 3e4])
def test_softmax_holds_where_exp_leaves_float32(shift):
    rng = np.random.default_rng(3)
    query = np.concatenate([rng.standard_normal((2, 4, 5)), np.ones((2, 1, 5))], axis=1).astype(np.float32)
    keys = np.concatenate([rng.standard_normal((2, 7, 4)), np.full((2, 7, 1), shift)], axis=2).astype(np.float32)
    keys[0, :, -1] = 0.0  # one text is within range while the other is not
    exponentials, sums = packed.exponentials_and_sums(keys, query, None)
    scores = keys.astype(np.float64) @ query.astype(np.float64)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.isfinite(exponentials).all()
    assert np.abs(exponentials / sums - expected).max() <= max(1e-6, 1e-6 * abs(shift))  # float32 rounds the scores


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("tokens", [1, 8, packed.FEW_TOKENS, packed.FEW_TOKENS + 1, 40])
@pytest.mark.parametrize(("rows", "features"), [(2, 30), (50, 30), (96, 1536), (144, 384)])
def test_a_product_is_the_same_in_either_order(order, tokens, rows, features):
    rng = np.random.default_rng(tokens)
    weight, x = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, features), (features, tokens)))
    found = np.full((rows, tokens), np.nan, dtype=np.float32, order=order)
    packed.product(weight, np.asarray(x, order=order), out=found)
    np.testing.assert_allclose(found, weight.astype(np.float64) @ x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("features", [6, 32, 36, 384])
def test_norm_down_the_columns(order, features):
    rng = np.random.default_rng(features)
    x, residual = (np.asarray(rng.standard_normal((features, 5)), np.float32, order=order) for _ in range(2))
    bias, weight, shift = rng.standard_normal((3, features, 1)).astype(np.float32)
    summed = x.astype(np.float64) + residual + bias
    centred = summed - summed.mean(axis=0)
    expected = centred / np.sqrt((centred**2).mean(axis=0) + 1e-12) * weight + shift
    packed.add_and_norm(x, residual, bias, (weight, shift), 1e-12)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "heads", "length"), [(1, 1, 1), (30, 12, 16), (3, 12, 128), (1, 12, 512), (2, 16, 9000)]
)
def test_attention_takes_every_query_of_every_head_once(texts, heads, length):
    times = np.zeros((heads, length), dtype=int)
    for some, asking in packed.heads_and_queries(texts, heads, length):
        times[some, asking] += 1
        scores = texts * times[some, asking].size * length
        assert scores <= packed.MOST_SCORES or times[some, asking].size <= packed.LEAST_QUERIES
    assert (times == 1).all()


def test_tiles_hold_every_text_once_within_their_bounds():
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
