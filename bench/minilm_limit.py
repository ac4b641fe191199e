"""What bounds a MiniLM on these cores.

Many texts: the matrix products of its layers and nothing else, 21.2 MFLOP a token. One query: reading the layers'
weights, 42 MB, which no cache of a core holds.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

from bench.race import SEED

ROWS, INNER, OUTER = 512, 384, 1536
# a layer's query, key, value and attention output, then the two of the feed-forward part; six layers
FLOP_A_TOKEN = 6 * 2 * (4 * INNER * INNER + 2 * INNER * OUTER)
WEIGHT_BYTES = 4 * FLOP_A_TOKEN // 2  # a number of theirs is multiplied and added once a token


def products_alone(tokens: int, threads: int) -> Callable[[], int]:
    """A run that multiplies as many 512 x 384 x 1536 as `tokens` tokens cost, one BLAS thread a core; returns the FLOP.

    The last product has fewer rows, so that the count is exact.
    """
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((ROWS, INNER), dtype=np.float32)
    weight = rng.standard_normal((INNER, OUTER), dtype=np.float32)
    rows = tokens * FLOP_A_TOKEN // (2 * INNER * OUTER)
    blas = ThreadpoolController()  # made once: to look through all loaded libraries takes milliseconds
    shares = [ROWS] * (rows // ROWS) + ([rows % ROWS] if rows % ROWS else [])

    def multiply(share: int) -> int:
        product = x[:share] @ weight
        return 2 * INNER * product.size

    def run() -> int:
        with blas.limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(multiply, shares))

    return run


def weights_read_once(weights: Mapping[str, np.ndarray]) -> Callable[[], int]:
    """A run that reads every matrix of the layers once, on one thread; returns how many bytes these are."""
    matrices = [array.reshape(-1) for name, array in weights.items() if ".layer." in name and array.ndim == 2]
    blas = ThreadpoolController()

    def run() -> int:
        with blas.limit(limits=1, user_api="blas"):
            return sum(matrix.nbytes for matrix in matrices if np.isfinite(np.dot(matrix, matrix)))

    return run
