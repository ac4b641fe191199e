"""Each operation against a value computed by hand, by the definition or by torch, in both dtypes."""

import numpy as np
import pytest

from refimpl.bert import ops

POINTS = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0]
TANH_GELU = [0.0, -0.0036373920817729943, -0.1588080093917233, -0.04601724895456484]
TANH_GELU += [0.0, 0.053982751045435165, 0.8411919906082768, 2.996362607918227, 30.0]
SILU = [-2.8072868906517896e-12, -0.14227761953270035, -0.2689414213699951, -0.047502081252106004]
SILU += [0.0, 0.052497918747894, 0.7310585786300049, 2.8577223804672998, 29.999999999997197]
GELU = [0.0, -0.00404969409489031, -0.15865525393145702, -0.0460172162722971]
GELU += [0.0, 0.053982783727702904, 0.841344746068543, 2.99595030590511, 30.0]
QUICK_GELU = [-2.004679774500938e-21, -0.01807130970778597, -0.1542042340671787, -0.04575524191638182]
QUICK_GELU += [0.0, 0.054244758083618186, 0.8457957659328212, 2.981928690292214, 30.0]
BY_TORCH = {  # transformers.activations.ACT2FN[name](POINTS) with torch 2.13 in float64
    "gelu": GELU,
    "gelu_new": TANH_GELU,
    "gelu_pytorch_tanh": TANH_GELU,
    "quick_gelu": QUICK_GELU,
    "relu": [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 1.0, 3.0, 30.0],
    "silu": SILU,
    "swish": SILU,
}


@pytest.mark.parametrize("name", ops.ACTIVATIONS)
def test_activations_equal_torch(name):
    np.testing.assert_allclose(ops.ACTIVATIONS[name](np.array(POINTS)), BY_TORCH[name], rtol=0, atol=1e-15)


def test_gelu_with_erf_is_not_gelu_with_tanh():
    assert abs(ops.gelu(np.array([-2.0])) - ops.gelu_new(np.array([-2.0])))[0] > 9e-5
    assert ops.gelu(np.array([-2.0]))[0] == pytest.approx(-0.0455002638963584, abs=1e-15)  # -2 Phi(-2), tables


def test_softmax_of_hand_worked_rows():
    np.testing.assert_allclose(ops.softmax(np.array([[0.0, np.log(3.0)], [5.0, 5.0]])), [[0.25, 0.75], [0.5, 0.5]])


def test_softmax_neither_overflows_nor_counts_masked_entries():
    np.testing.assert_array_equal(ops.softmax(np.array([1e4, 1e4, -np.inf])), [0.5, 0.5, 0.0])


def test_layer_norm_of_a_hand_worked_row():
    x = np.array([[1.0, 3.0]])  # mean 2, biased variance 1
    normed = ops.layer_norm(x, np.array([2.0, 2.0]), np.array([0.5, 0.5]), eps=3.0)
    np.testing.assert_allclose(normed, [[0.5 - 1.0, 0.5 + 1.0]], atol=1e-15)  # divided by sqrt(1 + 3) = 2


def test_linear_takes_published_out_in_weights():
    weight = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.testing.assert_array_equal(
        ops.linear(np.array([[1.0, 10.0]]), weight, np.array([0.0, 0.0, 1.0])), [[21, 43, 66]]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_operation_keeps_its_dtype(dtype):
    x = np.ones((2, 3), dtype=dtype)
    one = np.ones(3, dtype=dtype)
    results = [f(x) for f in ops.ACTIVATIONS.values()]
    results += [
        ops.softmax(x),
        ops.layer_norm(x, one, one, 1e-12),
        ops.linear(x, np.ones((4, 3), dtype), np.ones(4, dtype)),
    ]
    results += [ops.attention_bias(np.array([[True, False]]), np.dtype(dtype))]
    assert {result.dtype for result in results} == {np.dtype(dtype)}
