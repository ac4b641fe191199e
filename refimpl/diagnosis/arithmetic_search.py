"""The arithmetic in low precision that vectors show by the direction and the size of their errors, text by text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.compare.tolerance import CLASSES
from refimpl.diagnosis.arithmetic import ARITHMETICS, Arithmetic, rounded_weights, simulated_states
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant, scaled
from refimpl.diagnosis.structure.families import structural
from refimpl.diagnosis.structure.search import computable

FEWEST = 2  # texts
FIRST_ROWS = 8  # shortest texts for which every arithmetic is simulated
MOST_TOKENS = 2048  # of the texts for which the nearest one is
COSINE = 0.45  # least mean cosine of errors and simulated ones: 0.51 to 1.00 where right, else at most 0.29
OF_ONE_RESULT = 0.9  # the same where one intermediate alone is rounded: 0.98 or more where right
MARGIN = 0.1  # by which that of the next arithmetic is smaller
TEXT_COSINE = 0.2  # least cosine for one text: 0.31 or more where right; of two kinds it varies by some 0.1 about 0
TEXT_SIZES = 0.5, 2.0  # of one text's error, relative to the simulated one
SIZES = 0.65, 1.5  # of all errors: 1.00 to 1.30 where right
MOST = 0.9  # least share of texts that fit, so that of few all do


@dataclass(frozen=True)
class Fit:
    """How well an arithmetic's errors fit those of the texts `rows`; arrays have one entry per text."""

    arithmetic: Arithmetic
    base: Combination
    rows: tuple[int, ...]
    cosines: Array
    sizes: Array
    """Of the errors, relative to the simulated ones."""
    residuals: Array
    """The largest difference of an entry from the simulated one."""

    @property
    def cosine(self) -> float:
        """The mean."""
        return float(self.cosines.mean())

    @property
    def fitting(self) -> Array:
        """Whether each text's error has the direction and the size of the simulated one."""
        return (self.cosines >= TEXT_COSINE) & (self.sizes >= TEXT_SIZES[0]) & (self.sizes <= TEXT_SIZES[1])

    @property
    def convincing(self) -> bool:
        """Whether most texts fit, and these together well."""
        if len(self.rows) < FEWEST or self.fitting.mean() < MOST:
            return False
        size = float(np.exp(np.log(self.sizes[self.fitting]).mean()))
        least = OF_ONE_RESULT if self.arithmetic.results else COSINE
        return float(self.cosines[self.fitting].mean()) >= least and SIZES[0] <= size <= SIZES[1]


class ArithmeticSearch:
    """Finds the arithmetic of vectors `problem.actual`; `found` is the last one, None before and without."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem
        self.found: Fit | None = None

    def __call__(self, bases: Sequence[Combination], unexplained: Sequence[int]) -> bool:
        """Whether an arithmetic is found with one of the bases."""
        published = self.problem.encoder.published.config
        lengths = self.problem.encoder.tokens(EmbeddingVariant()).lengths
        rows = sorted((row for row in unexplained if lengths[row] > 1), key=lambda row: int(lengths[row]))
        if len(rows) < FEWEST or not structural(published):
            return False
        for base in bases:
            if self.found is None and computable(apply_all(EmbeddingVariant(), base)):
                self.found = self._nearest(base, rows, np.cumsum(lengths[rows]))
        return self.found is not None

    def _nearest(self, base: Combination, rows: Sequence[int], tokens: Array) -> Fit | None:
        """The one whose errors have the most similar direction, on a few texts and then on all."""
        fits = [self._fit(arithmetic, base, rows[:FIRST_ROWS]) for arithmetic in ARITHMETICS]
        best, second = sorted(fits, key=lambda fit: -fit.cosine)[:2]
        if not best.convincing or best.cosine - second.cosine < MARGIN:
            return None
        whole = self._fit(best.arithmetic, base, [row for row, n in zip(rows, tokens, strict=True) if n <= MOST_TOKENS])
        return whole if whole.convincing else None

    def _fit(self, arithmetic: Arithmetic, base: Combination, rows: Sequence[int]) -> Fit:
        variant = apply_all(EmbeddingVariant(), base)
        expected = self.problem.vectors(base, rows)[0]
        weights = rounded_weights(arithmetic, self.problem.states.single_weights(variant))
        simulated = np.stack([self._simulated(arithmetic, variant, weights, row) for row in rows])
        errors, own = self.problem.actual[list(rows)] - expected, simulated - expected
        length, own_length = (np.maximum(np.linalg.norm(each, axis=1), 1e-300) for each in (errors, own))
        cosines = np.sum(errors * own, axis=1) / length / own_length
        residuals = np.abs(errors - own).max(axis=1)
        return Fit(arithmetic, base, tuple(rows), cosines, length / own_length, residuals)

    def _simulated(self, arithmetic: Arithmetic, variant: EmbeddingVariant, weights: BertWeights, row: int) -> Array:
        tokens = self.problem.encoder.tokens(variant).select(np.array([row]))
        states = simulated_states(arithmetic, weights, tokens.input_ids[None], tokens.token_type_ids[None])
        mask = np.ones(states.shape[:2], dtype=bool)
        return scaled(variant, self.problem.encoder.weights(variant), states.astype(np.float64), mask)[0]


def suggested_tolerance(actual: Array, expected: Array) -> str | None:
    """The narrowest class of `refimpl check --tolerance` that the vectors `(texts, dim)` are within."""
    unit = [each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-300) for each in (actual, expected)]
    cosine, entry = float(np.sum(unit[0] * unit[1], axis=1).min()), float(np.abs(actual - expected).max())
    for tolerance in CLASSES.values():
        if (tolerance.entry is None or entry <= tolerance.entry) and cosine >= (tolerance.cosine or -1.0):
            return tolerance.name
    return None
