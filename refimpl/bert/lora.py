"""Low-rank adapters, one per task, merged into the weights: W + (alpha / r) B A (Hu et al. 2022, section 4.1).

jina-embeddings-v3 (Sturua et al. 2024, section 4.3) publishes five in one file: `X.parametrizations.weight.original`,
and `X.parametrizations.weight.0.lora_A` and `lora_B` with the task as their first axis. Names of tasks, r and alpha are
in config.json. For an embedding table A `(tasks, vocab, r)` and B `(tasks, r, hidden)` change places.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.bert.files import WeightsError, read_json
from refimpl.common.tensors import as_float
from refimpl.common.types import Array

ORIGINAL = ".parametrizations.weight.original"
ADAPTERS = (".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B")


def merge_task(
    config_file: Path, file: Path, stored: Mapping[str, Array], task: str | None, dtype: np.dtype[Any]
) -> dict[str, Array]:
    """The tensors by name, those with adapters as the merged `X.weight`; without a task as published.

    Raises ValueError for a task that the model does not have, WeightsError for adapters that do not fit.
    """
    published = read_json(config_file)
    tasks = published.get("lora_adaptations") or []
    if not isinstance(tasks, list):
        raise WeightsError(f"{config_file}: lora_adaptations must be a list of names, got {tasks!r:.60}")
    if task is not None and task not in tasks:
        raise ValueError(f"task must be one of {', '.join(map(str, tasks)) or 'none, as here'}, got {task!r}")
    rank, scale = (0, 0.0) if task is None else _rank_and_scale(config_file, published)
    merged: dict[str, Array] = {}
    for name, tensor in stored.items():
        if name.endswith(ORIGINAL):
            stem = name.removesuffix(ORIGINAL)
            merged[f"{stem}.weight"] = tensor
            if task is not None:
                update = _update(file, stem, stored, (tasks.index(task), len(tasks)), rank)
                if update.shape != tensor.shape:
                    raise WeightsError(f"{file}: adapters of {stem} {update.shape}, expected {tensor.shape}")
                merged[f"{stem}.weight"] = (as_float(tensor, np.dtype(np.float64)) + scale * update).astype(dtype)
        elif not name.endswith(ADAPTERS):
            merged[name] = tensor
    return merged


def _rank_and_scale(config_file: Path, published: Mapping[str, Any]) -> tuple[int, float]:
    rank, alpha = published.get("lora_rank"), published.get("lora_alpha")
    if type(rank) is not int or rank < 1 or not isinstance(alpha, int | float) or isinstance(alpha, bool):
        got = f"{rank!r:.40} and {alpha!r:.40}"
        raise WeightsError(f"{config_file}: expected lora_rank above 0 and lora_alpha, got {got}")
    return rank, alpha / rank


def _update(file: Path, stem: str, stored: Mapping[str, Array], task_of: tuple[int, int], rank: int) -> Array:
    """B A of one task in float64; A B for an embedding table."""
    task, tasks = task_of
    pair = [stored.get(stem + suffix) for suffix in ADAPTERS]
    if any(adapter is None or adapter.ndim != 3 or len(adapter) != tasks for adapter in pair):
        raise WeightsError(f"{file}: {stem} lacks adapters of {tasks} tasks")
    a, b = (as_float(adapter[task], np.dtype(np.float64)) for adapter in pair if adapter is not None)
    if a.shape[0] == b.shape[1] == rank:
        return np.asarray(b @ a)
    if a.shape[1] == b.shape[0] == rank:
        return np.asarray(a @ b)
    raise WeightsError(f"{file}: adapters of {stem} have shapes {a.shape} and {b.shape}, expected rank {rank}")
