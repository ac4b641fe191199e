"""Where the packed forward's time goes, in microseconds of processor time per token, on one worker.

    python -m bench.encode_profile

cProfile measures the functions in `PARTS`. The time outside them is that of the forward's own lines, mainly one bias
per layer. The functions are few and run long, so the profiler's overhead is small.
"""

import cProfile
import pstats
import time
from collections import Counter

import numpy as np
from threadpoolctl import threadpool_limits

from bench.texts import LENGTHS, texts
from refimpl import MiniLMEmbeddingFunction
from refimpl.bert.encoder import tiles_by_length
from refimpl.bert.packed import PackedForward
from refimpl.tokens import Tokens

COUNTS = {"short": 96, "mixed": 24, "long": 10}
ROUNDS = 7
PARTS = {
    "product": "matrix products",
    "attention_parts": "attention",
    "attention": "attention",
    "activate": "GELU",
    "add_and_norm": "norms and residuals",
    "_embed": "embedding",
}
FORWARD = "__call__"


def main() -> None:
    """Print one line per part and one column per kind of text: medians over the rounds."""
    function = MiniLMEmbeddingFunction(num_workers=1)
    columns = {kind: profile(function, texts(kind, COUNTS[kind])) for kind in LENGTHS}
    print(f"{'us per token':<22}" + "".join(f"{kind:>10}" for kind in columns))
    for part in next(iter(columns.values())):
        print(f"{part:<22}" + "".join(f"{column[part]:>10.1f}" for column in columns.values()))


def profile(function: MiniLMEmbeddingFunction, documents: list[str]) -> dict[str, float]:
    """Median microseconds per token, by part and in all."""
    tokens = function.tokenizer(documents)
    forward = PackedForward(function.weights)
    tiles = [tokens.select(rows) for rows in tiles_by_length(tokens.lengths, 128, 1)]
    with threadpool_limits(1, user_api="blas"):
        rounds = [_one_round(forward, tiles) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
    count = int(tokens.lengths.sum())
    return {part: float(np.median([each[part] for each in rounds])) / count * 1e6 for part in rounds[0]}


def _one_round(forward: PackedForward, tiles: list[Tokens]) -> dict[str, float]:
    profiler = cProfile.Profile(time.thread_time)
    profiler.enable()
    for tile in tiles:
        forward(tile)
    profiler.disable()
    found: Counter[str] = Counter()
    for (file, _, name), (_, _, own, cumulative, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if not file.endswith("packed.py"):
            continue
        if name in PARTS:
            found[PARTS[name]] += cumulative
        elif name == FORWARD:
            found |= {"a bias": own, "all": cumulative}
    return {part: found[part] for part in (*dict.fromkeys(PARTS.values()), "a bias", "all")}


if __name__ == "__main__":
    main()
