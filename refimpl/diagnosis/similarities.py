"""What the similarities of pairs of sentence vectors show: random directions, other rows, an unrelated model."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr

from refimpl.bert.heads import l2_normalize
from refimpl.common.types import Array

MOST_ROWS = 200  # texts whose pairs are compared
NEAR = 0.8  # cosine of texts that any encoder gives similar vectors
LEAST_PAIRS = 3
UNLIKE = 0.3  # mean cosine that such pairs have in no encoder: random weights give them 0.99
RANDOM = 2.0  # mean squared cosine of all pairs times the width, which is 1 for random directions
EXCHANGED = 0.2  # by which the mean cosine with the reference grows where the rows are put in order
RELATED, FEWEST = 0.9, 0.1  # least cosine with the reference's rows, put in order, of all but so large a share of them
UNRELATED = 0.5  # correlation from which few texts that are alike are no chance, whatever random orders have
PERMUTATIONS = 99


def random_directions(actual: Array, expected: Array) -> str | None:
    """A sentence for vectors `(texts, dim)` that are independent of each other even where texts hardly differ.

    `expected` are the reference's, of unit length. None for others, and where no texts are similar.
    """
    actual, expected = actual[:MOST_ROWS], expected[:MOST_ROWS]
    near = _cosines(expected)
    pairs = (near >= NEAR) & (near < 1 - 1e-6)
    cosines = _cosines(actual)
    if pairs.sum() < LEAST_PAIRS or abs(cosines[pairs].mean()) > UNLIKE:
        return None
    if actual.shape[1] * np.mean(cosines**2) > RANDOM:
        return None
    return (
        f"the vectors are random directions: {pairs.sum()} pairs of texts with a cosine of at least {NEAR} in the "
        f"reference have {cosines[pairs].mean():.2f} on average, as independent vectors have; an encoder gives nearly "
        "equal texts similar vectors, even with random weights"
    )


def matched_order(actual: Array, expected: Array) -> Array | None:
    """The rows of `expected` that those of `actual` `(texts, dim)` are nearest to, each once; None for their own.

    For rows in another order that deviate otherwise as well, so that they are no exact permutation. Rows are compared
    without their mean, which all texts of some models share.
    """
    if not 2 < len(actual) <= MOST_ROWS:
        return None
    cosines = l2_normalize(actual - actual.mean(axis=0)) @ l2_normalize(expected - expected.mean(axis=0)).T
    rows, order = linear_sum_assignment(-cosines)
    matched, own = cosines[rows, order], np.diagonal(cosines)
    exchanged = float(matched.mean() - own.mean()) >= EXCHANGED
    return np.asarray(order) if exchanged and np.quantile(matched, FEWEST) >= RELATED else None


def similarity_note(actual: Array, expected: Array) -> tuple[str, ...]:
    """A sentence on whether pairs of texts are as similar as in the reference.

    Spearman's rank correlation of the cosines of all pairs, beside the largest of random orders of the texts (Mantel
    1967, The detection of disease clustering and a generalized regression approach).
    """
    reference = _cosines(expected)
    found = float(spearmanr(reference, _cosines(actual)).statistic)
    random = np.random.default_rng(0)
    orders = [random.permutation(len(actual)) for _ in range(PERMUTATIONS)]
    chance = max(float(spearmanr(reference, _cosines(actual[order])).statistic) for order in orders)
    sentence = (
        f"the cosines of {len(reference):,} pairs of texts correlate by {found:.2f} with the reference's (Spearman)"
    )
    if found > min(chance, UNRELATED):
        return (f"{sentence}; by chance at most {chance:.2f}",)
    return (
        f"{sentence}, which is chance: as of weights that were not loaded, of another model, or of a fault in every "
        "layer that leaves nothing of the text",
    )


def _cosines(vectors: Array) -> Array:
    """Those of all pairs of rows, each pair once."""
    unit = l2_normalize(vectors)
    return np.asarray((unit @ unit.T)[np.triu_indices(len(unit), 1)])
