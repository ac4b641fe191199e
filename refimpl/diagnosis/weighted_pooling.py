"""The pooling that vectors show: the weights of the reference's token states, solved for text by text.

A vector that is a weighted sum of the last hidden states comes from a right forward pass, whatever its pooling is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant, Pool, embedding
from refimpl.diagnosis.tokenizing import varied_tokenizer

FEWEST, MOST = 5, 0.5  # tokens of a measured text; the most is a share of the hidden size: the equations per unknown
TEXTS = 3  # that are measured
CLEARER = 10  # times by which weights must bring the reference nearer to a vector
EQUAL = 0.01  # by which equal weights may differ, of the largest
SHOWN = 12  # weights in a note

Weighting = Callable[[Array, Array], Array]
"""Takes positions `(seq,)` and numbers of tokens `(texts, 1)`; returns weights that broadcast to `(texts, seq)`."""


def weighted_mean(weighting: Weighting) -> Pool:
    """The mean of hidden states `(texts, seq, hidden)` with these weights; of all tokens where they are all zero."""

    def pool(states: Array, mask: Array, weights: BertWeights) -> Array:
        count = mask.sum(axis=1, keepdims=True)
        given = np.where(mask, weighting(np.arange(mask.shape[1]), count), 0.0)
        given = np.where(given.any(axis=1, keepdims=True), given, mask)
        return np.asarray(np.einsum("ts,tsh->th", given / given.sum(axis=1, keepdims=True), states))

    return pool


WEIGHTED = tuple(
    Hypothesis(name, explanation, embedding(pool=weighted_mean(weighting)))
    for name, explanation, weighting in (
        ("mean without [CLS]", "the first token is left out of the mean", lambda i, n: i > 0),
        ("mean without [SEP]", "the last token is left out of the mean", lambda i, n: i < n - 1),
        ("mean of first and last token", "the tokens between are left out", lambda i, n: (i == 0) | (i == n - 1)),
        (
            "mean weighted by position",
            "token i of n has the weight i, as in SGPT (Muennighoff 2022, equation 1)",
            lambda i, n: i + 1.0,
        ),
        (
            "mean weighted by 1 / (1 + position)",
            "token i, from 0, has the weight 1 / (1 + i)",
            lambda i, n: 1 / (1 + i),
        ),
        (
            "mean of [CLS] and the mean",
            "the mean of the first token's state and of the mean of all",
            lambda i, n: 1 / n + (i == 0),
        ),
        ("second token pooling", "the token after the first is taken", lambda i, n: i == 1),
        ("last token but one pooling", "the token before the last is taken", lambda i, n: i == n - 2),
    )
)


@dataclass(frozen=True)
class Measured:
    """The weights `(seq,)` of one text's tokens that come nearest to its vector."""

    row: int
    weights: Array
    residual: float
    """The largest error of the weighted sum, relative to the vector's length."""
    linear: bool
    """Whether the vector is the weighted sum, within the tolerance."""


def measured_weights(problem: EmbeddingProblem, context: Combination, unexplained: Sequence[int]) -> list[Measured]:
    """Measure a few short texts, given the token states under `context`; none where all are too short or too long."""
    variant = apply_all(EmbeddingVariant(), context)
    lengths = problem.encoder.tokens(variant).lengths
    most = MOST * problem.encoder.published.config.hidden_size
    rows = sorted((row for row in unexplained if FEWEST <= lengths[row] <= most), key=lambda row: int(lengths[row]))
    measured = []
    for row, state in zip(rows[:TEXTS], problem.states(variant, rows[:TEXTS]), strict=True):
        vector = problem.actual[row] / max(float(np.linalg.norm(problem.actual[row])), np.finfo(np.float64).tiny)
        states = state.hidden_states[state.mask].astype(np.float64)
        weights, residual = _solved(states, vector)
        mean = states.mean(axis=0)
        deviation = float(np.abs(vector - mean / np.linalg.norm(mean)).max())
        allowed = problem.tolerance + _rounding(variant, problem.actual[row])
        measured.append(Measured(row, weights, residual, residual <= min(allowed, deviation / CLEARER)))
    return measured


def _solved(states: Array, vector: Array) -> tuple[Array, float]:
    """The weights by least squares, and the largest error."""
    weights = np.linalg.lstsq(states.T, vector, rcond=None)[0]
    return weights, float(np.abs(weights @ states - vector).max())


def _rounding(variant: EmbeddingVariant, vector: Array) -> float:
    """What storage may have rounded an entry by, relative to the vector's length."""
    another = vector * 0.987
    return float(np.abs(variant.store(another) - another).max() / max(float(np.linalg.norm(vector)), 1e-300))


class PoolingSearch:
    """Finds poolings by weights for texts whose vectors are weighted sums of token states."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(
        self, context: Combination, explained: Sequence[int], unexplained: Sequence[int]
    ) -> Iterator[Combination]:
        """`context` with each usual pooling by weights, if the measured texts have some."""
        if any("pool" in hypothesis.apply.values for hypothesis in context):
            return
        measured = measured_weights(self.problem, context, unexplained)
        if any(each.linear for each in measured):
            yield from ((*context, hypothesis) for hypothesis in WEIGHTED)
        yield from ((*context, few) for each in measured if each.linear and (few := _few_tokens(each.weights)))


@cache
def mean_of_first(count: int) -> Hypothesis:
    """The hypothesis that the mean is of the first `count` tokens; one object per number."""
    pool = embedding(pool=weighted_mean(lambda i, n: i < count))
    return Hypothesis(f"mean of the first {count} tokens", "the tokens after them are left out of the mean", pool)


@cache
def mean_without_prompt(count: int) -> Hypothesis:
    """The hypothesis that the mean is of the tokens after the first `count`, [CLS] and a prompt."""
    pool = embedding(pool=weighted_mean(lambda i, n: i >= count))
    explanation = "a prompt's tokens and [CLS] are left out of the mean, as with include_prompt=False"
    return Hypothesis(f"mean without the first {count} tokens", explanation, pool)


@cache
def mean_of_words_after(count: int) -> Hypothesis:
    """The hypothesis that the mean is of the tokens after the first `count`, without the last one, [SEP]."""
    pool = embedding(pool=weighted_mean(lambda i, n: (i >= count) & (i < n - 1)))
    explanation = "a prompt's tokens and the special tokens are left out of the mean"
    return Hypothesis(f"mean without the first {count} tokens and the last", explanation, pool)


def _few_tokens(weights: Array) -> Hypothesis | None:
    """The mean of the first few tokens, if the weights `(seq,)` are equal at first and then 0."""
    largest = float(np.abs(weights).max())
    count = int(np.sum(weights > EQUAL * largest))
    first, others = weights[:count], weights[count:]
    if len(first) < 2 or len(others) < 2 or max(np.ptp(first), np.abs(others).max()) > EQUAL * largest:
        return None
    return mean_of_first(count)


def forward_is_right(problem: EmbeddingProblem, context: Combination, rows: Sequence[int]) -> bool:
    """Whether vectors of short texts are weighted sums of the right token states, so that only the pooling differs."""
    measured = measured_weights(problem, context, rows)
    return bool(measured) and all(each.linear for each in measured)


def pooling_note(
    problem: EmbeddingProblem, context: Combination, unexplained: Sequence[int], labels: Sequence[str]
) -> tuple[str, ...]:
    """A sentence about the forward pass and the pooling of texts without a known cause; `()` if none is measured."""
    measured = measured_weights(problem, context, unexplained)
    if not measured:
        return ()
    linear = [each for each in measured if each.linear]
    if not linear:
        first = measured[0]
        sentence = f"no weighted sum of the last hidden states gives the vector of {labels[first.row]}"
        return (f"{sentence} (residual {first.residual:.2g}): not only the weights of the pooling are wrong",)
    sentence = f"{len(linear)} of {len(measured)} short texts have weighted sums of the reference's last hidden states"
    shown = _shown(problem, context, linear[0])
    return (f"{sentence}: the forward pass is right, the pooling is not; weights of {labels[linear[0].row]}: {shown}",)


def _shown(problem: EmbeddingProblem, context: Combination, measured: Measured) -> str:
    """Each token and its weight, of a sum of magnitudes of 1."""
    variant = apply_all(EmbeddingVariant(), context)
    tokens = problem.encoder.tokens(variant)
    start = int(tokens.starts[measured.row])
    ids = tokens.input_ids[start : start + len(measured.weights)]
    tokenizer = varied_tokenizer(problem.encoder.folder, problem.encoder.max_length, (), variant.truncation)
    weights = measured.weights / np.abs(measured.weights).sum()
    named = [f"{tokenizer.piece(int(i))} {w:.3f}" for i, w in zip(ids[:SHOWN], weights[:SHOWN], strict=True)]
    return ", ".join(named) + (", ..." if len(ids) > SHOWN else "")
