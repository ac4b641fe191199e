"""The files of a SparseEncoder folder: its modules by task, pooling, prompt and limits."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from refimpl.bert.files import WeightsError, read_json
from refimpl.bert.pooling import pool
from refimpl.bert.routes import TASKS, by_task
from refimpl.bert.sentence_files import (
    LENGTHS,
    Module,
    check_files,
    check_keys,
    positive,
    read_prompts,
    sentence_settings,
    transformer_settings,
)
from refimpl.bert.steps import AFTER_POOLING, encoder_width, read_auto_encoder, read_pooling, read_steps
from refimpl.common.types import Array

STRATEGIES = ("max", "sum")
ACTIVATIONS = ("relu", "log1p_relu")
WIDTHS = ("embedding_dimension", "word_embedding_dimension")
KIND = "SparseEncoder"
TASK_OF_CLASS = {"Transformer": "feature-extraction", "MLMTransformer": "fill-mask"}
"""The transformer_task of a sentence_bert_config.json that names none, by the class of the module."""
STATIC, AUTO_ENCODER = "SparseStaticEmbedding", "SparseAutoEncoder"
EXPECTED = f"Transformer, SpladePooling; {STATIC}; or Transformer, Pooling, {', '.join(AFTER_POOLING)}, {AUTO_ENCODER}"


@dataclass(frozen=True)
class SpladeSettings:
    """How a SparseEncoder folder computes a text's weights for one task."""

    folder: Path
    """That of the encoder, or of a SparseStaticEmbedding."""
    kind: Literal["splade", "static", "auto_encoder"] = "splade"
    strategy: str = "max"
    activation: str = "relu"
    max_active_dims: int | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    prompt: str = ""
    """The default prompt, before each text."""
    lowercase: bool = False
    lengths: dict[str, int | None] = field(default_factory=dict)
    """Tokens per text of the tasks query and document, where they differ from those of other texts."""
    latents: Callable[[Array, Array], Array] | None = None
    """Of an auto-encoder: from hidden states `(tokens, hidden)` and `lengths (texts,)` to weights `(texts, dim)`."""
    dim: int = 0
    """Of an auto-encoder: the number of columns."""


def read_splade(folder: Path) -> dict[str | None, SpladeSettings]:
    """Read the SparseEncoder files of `folder` for each task that has a route: "query", "document", None without one.

    Without modules.json, the maximum and relu, as in that library. Tasks with the same modules share one object. Raises
    WeightsError, which names file and key, for anything that is not supported, RouteError if no task has a route.
    """
    settings = sentence_settings(folder, KIND)
    most = positive(folder / "config_sentence_transformers.json", settings, "max_active_dims")
    prompts, default = read_prompts(folder, settings)
    file = folder / "modules.json"
    if not file.is_file():
        check_files(folder)
        return dict.fromkeys(TASKS, SpladeSettings(folder, prompts=prompts))
    prompt = "" if default is None else prompts[default]

    def read(modules: list[Module]) -> SpladeSettings:
        settings = _read(file, modules)
        return replace(settings, prompts=prompts, prompt=prompt, max_active_dims=most or settings.max_active_dims)

    return by_task(folder, read)


def _read(file: Path, modules: list[Module]) -> SpladeSettings:
    kinds, first = [kind for kind, _ in modules], modules[0][1] if modules else file.parent
    if len(kinds) == 2 and kinds[0] in TASK_OF_CLASS and kinds[1] == "SpladePooling":
        of_transformer = transformer_settings(first, KIND, TASK_OF_CLASS[kinds[0]])
        return _with_limits(_pooling(modules[1][1] / "config.json", first), of_transformer)
    if kinds == [STATIC]:
        if (config := first / "config.json").is_file():
            check_keys(config, read_json(config), (), {"frozen": (True, False), "path": (None,)})
        return SpladeSettings(first, "static")
    between = kinds[2:-1]
    if (
        kinds[:2] == ["Transformer", "Pooling"]
        and kinds[-1] == AUTO_ENCODER
        and all(kind in AFTER_POOLING for kind in between)
    ):
        return _auto_encoder(modules)
    remedy = "" if "SpladePooling" in kinds else ", which has no masked-LM head: give a SPLADE model"
    raise WeightsError(f"{file}: expected {EXPECTED}, got {', '.join(kinds) or 'nothing'}{remedy}")


def _with_limits(settings: SpladeSettings, of_transformer: dict[str, Any]) -> SpladeSettings:
    lengths = {task: of_transformer.get(key) for task, key in LENGTHS.items()}
    return replace(settings, lowercase=of_transformer.get("do_lower_case", False), lengths=lengths)


def _pooling(pooling: Path, encoder: Path) -> SpladeSettings:
    config = read_json(pooling)
    only = {"pooling_strategy": STRATEGIES, "activation_function": ACTIVATIONS}
    check_keys(pooling, config, (*WIDTHS, "chunk_size"), only)
    strategy, activation = config.get("pooling_strategy", "max"), config.get("activation_function", "relu")
    return SpladeSettings(encoder, strategy=strategy, activation=activation)


def _auto_encoder(modules: list[Module]) -> SpladeSettings:
    (_, encoder), (_, pooling), *between, (_, last) = modules
    modes, include_prompt = read_pooling(pooling, width := encoder_width(encoder))
    if not include_prompt:
        raise WeightsError(f"{pooling / 'config.json'}: expected include_prompt true before {AUTO_ENCODER}, got False")
    width, steps = read_steps(between, width * len(modes), AFTER_POOLING)
    dim, encode, k = read_auto_encoder(last, width)

    def latents(states: Array, lengths: Array) -> Array:
        vectors = pool(states, lengths, modes)
        for step in (*steps, encode):
            vectors = step(vectors)
        return vectors

    settings = SpladeSettings(encoder, "auto_encoder", max_active_dims=k, latents=latents, dim=dim)
    return _with_limits(settings, transformer_settings(encoder, "SentenceTransformer"))
