"""Every architecture against transformers: float64, float32's distance from it, and speed; prints Markdown rows.

    python -m bench.architectures [MODEL_TYPE ...]

float64 is transformers' own code with every float32 inside it made float64 (`tests/helpers/seeded.py`), on the small
models of the golden vectors. float32 is the root mean square distance from that, ours over torch's: geometric mean and
standard error over models and texts of many seeds. Speed is CPU time, transformers' over ours, with random weights at
the size of a small published model (6 layers of 384 features) and texts of equal length: one thread each, rounds
interleaved with the order exchanged in each, medians.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

import seeded  # noqa: E402  a helper of the tests, importable by the line above

from bench.model_folders import CONFIGS, SIZES  # noqa: E402
from refimpl.bert.encoder import Encoder  # noqa: E402
from refimpl.bert.forward import forward  # noqa: E402
from refimpl.bert.weights import BertWeights  # noqa: E402
from refimpl.tokens import Tokens  # noqa: E402

SHAPES = {"32 tokens": (16, 32), "256 tokens": (2, 256)}  # texts, tokens each
ROUNDS = 25
SEEDS = 16
POSITIONS = 600
KINDS = [kind for kind in seeded.CONFIGS if kind not in ("xlm-roberta", "camembert")]  # computed as roberta


def main(kinds: list[str]) -> None:
    """Print a row per architecture."""
    import torch

    torch.set_num_threads(1)
    print("| model_type | float64 | float32: refimpl | torch | ratio | speed, " + " | ".join(SHAPES) + " |", flush=True)
    for kind in kinds or KINDS:
        small = seeded.torch_model(kind)
        with tempfile.TemporaryDirectory() as folder:
            small.save_pretrained(folder)
            exact = _float64_difference(small, Path(folder))
        errors = np.array([_float32_errors(kind, seed) for seed in range(1, 1 + SEEDS)])
        with tempfile.TemporaryDirectory() as folder:
            ratios = _speeds(kind, Path(folder))
        rms = np.sqrt(np.mean(errors**2, axis=0))
        print(
            f"| {kind} | {exact:.1e} | {rms[0]:.2e} | {rms[1]:.2e} | {_with_error(errors[:, 0] / errors[:, 1])} | "
            + " | ".join(f"{r:.2f}" for r in ratios)
            + " |",
            flush=True,
        )


def _with_error(ratios: Any) -> str:
    """Geometric mean and its standard error."""
    logarithms = np.log(ratios).tolist()
    centre = float(np.exp(mean(logarithms)))
    return f"{centre:.3f} ± {centre * stdev(logarithms) / len(logarithms) ** 0.5:.3f}"


def _float64_difference(model: Any, folder: Path) -> float:
    weights = BertWeights.load(folder, "float64")
    ids = seeded.token_ids([180, 3, 40])
    return max(float(np.abs(_textbook(weights, text) - _states(model, text, exact=True)).max()) for text in ids)


def _float32_errors(kind: str, seed: int) -> tuple[float, float]:
    """Ours and torch's, of a model and three texts drawn from `seed`."""
    ids = seeded.token_ids([180, 3, 40], 100 * seed)
    model = seeded.torch_model(kind, seed=1000 * seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model.save_pretrained(folder)
        weights = BertWeights.load(folder, "float64")
        exact = np.concatenate([_textbook(weights, text) for text in ids])
        single = _load(kind, folder, model)
        theirs = np.concatenate([_states(single, text) for text in ids])
        encoder = Encoder(BertWeights.load(folder), num_workers=1)
        ours = np.concatenate([_packed(encoder, text[None]) for text in ids])
    return tuple(float(np.sqrt(np.mean((states - exact) ** 2))) for states in (ours, theirs))  # type: ignore[return-value]


def _textbook(weights: BertWeights, ids: Any) -> Any:
    batch = ids.astype(np.int64)[None]
    return forward(weights, batch, np.ones_like(batch), np.zeros_like(batch)).last_hidden_state[0]


def _states(model: Any, ids: Any, *, exact: bool = False) -> Any:
    import contextlib

    import torch

    with torch.no_grad(), seeded.float64_throughout() if exact else contextlib.nullcontext():
        return model(input_ids=torch.tensor(ids.astype(np.int64))[None]).last_hidden_state[0].numpy()


def _packed(encoder: Encoder, ids: Any) -> Any:
    texts, length = ids.shape
    flat = ids.reshape(-1).astype(np.int64)
    tokens = Tokens(flat, np.zeros_like(flat), np.full(texts, length), np.zeros(texts, dtype=bool))
    return np.concatenate([states for _, states in encoder.map(tokens, lambda states, _: states)])


def _load(kind: str, folder: Path, model: Any) -> Any:
    """Load transformers' float32 model, with torch's fused attention where the model has it."""
    import torch
    import transformers

    if kind == "jina_bert":
        return model.float()
    make = transformers.T5EncoderModel if kind == "t5" else transformers.AutoModel
    try:
        return make.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    except ValueError:
        return make.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def _speeds(kind: str, folder: Path) -> list[float]:
    """Their time over ours per shape."""
    changes = {**CONFIGS.get(kind, SIZES), "max_position_embeddings": POSITIONS}
    changes = {key: value for key, value in changes.items() if kind != "t5" or key != "max_position_embeddings"}
    seeded.CONFIGS[kind] = {**seeded.CONFIGS[kind], **changes}
    model = seeded.torch_model(kind)
    model.float().save_pretrained(folder)
    single = _load(kind, folder, model)
    encoder = Encoder(BertWeights.load(folder), num_workers=1)
    return [_ratio(lambda ids: _batch(single, ids), lambda ids: _packed(encoder, ids), *n) for n in SHAPES.values()]


def _batch(model: Any, ids: Any) -> None:
    import torch

    with torch.no_grad():
        model(input_ids=torch.tensor(ids))


def _ratio(theirs: Callable[[Any], object], ours: Callable[[Any], object], texts: int, length: int) -> float:
    ids = np.random.default_rng(0).integers(5, seeded.VOCABULARY, (texts, length))
    times: list[tuple[float, ...]] = []
    with threadpool_limits(1, user_api="blas"):
        for number in range(ROUNDS + 2):
            row = {}
            for run in (theirs, ours) if number % 2 else (ours, theirs):
                start = time.process_time()
                run(ids)
                row[run] = time.process_time() - start
            times.append((row[theirs], row[ours]))
    return median(theirs_s / ours_s for theirs_s, ours_s in times[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
