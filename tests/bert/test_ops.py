"""Each operation against a value worked out by hand or by mpmath's definition, in both dtypes."""

from math import erf, exp, sqrt, tanh

import numpy as np
import pytest

from refimpl.bert import ops

POINTS = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0]
BY_DEFINITION = {
    "gelu": lambda x: x * 0.5 * (1.0 + erf(x / sqrt(2.0))),
    "gelu_new": lambda x: x * 0.5 * (1.0 + tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "relu": lambda x: x if x > 0 else 0.0,
    "silu": lambda x: x / (1.0 + exp(-x)),
}


@pytest.mark.parametrize("name", BY_DEFINITION)
def test_activations_are_their_definitions(name):
    x = np.array(POINTS)
    expected = [BY_DEFINITION[name](point) for point in POINTS]
    np.testing.assert_allclose(ops.ACTIVATIONS[name](x), expected, rtol=0, atol=1e-14)


def test_gelu_with_erf_is_not_gelu_with_tanh():
    assert abs(BY_DEFINITION["gelu"](-2.0) - BY_DEFINITION["gelu_new"](-2.0)) > 9e-5
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
