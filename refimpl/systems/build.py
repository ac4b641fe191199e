"""From names to encoders and systems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from refimpl import models
from refimpl.base import RerankFunction
from refimpl.evaluate import MEASURES
from refimpl.search.plan import Encoder, System
from refimpl.systems.encoders import FIXED, dense_encoder, model_encoder, model_key
from refimpl.systems.names import field_name, parse_model, parse_names, system_of
from refimpl.systems.remote import Service

RERANKED = "+rerank"  # ends the name of a system whose best hits are reranked


@dataclass(frozen=True)
class Settings:
    """Settings of a run: hits kept per query, a reranker, the dense encoder's maximum number of tokens, measures.

    `rerank` is "maxsim" (MiniLM's own token vectors) or a cross-encoder's folder or hub name; `measures` and
    `ignore_identical_ids` are those of `refimpl.search.plan.RunPlan`. Prices are in any one currency: of an hour of
    this machine, and of a million tokens by the name of a remote system, as it is given to `build`.
    """

    depth: int = 100
    rerank: str | None = None
    max_length: int = 256
    measures: Sequence[str] = MEASURES
    ignore_identical_ids: bool | None = None
    price_per_hour: float | None = None
    price_per_million_tokens: Mapping[str, float] = field(default_factory=dict)


def build(names: Sequence[str], settings: Settings) -> tuple[list[Encoder], list[System]]:
    """Encoders and systems of these names; with a reranker also each system with its best 50 hits reranked.

    Raises ValueError for an unknown or duplicate name and for no name at all.
    """
    names = parse_names(names)
    systems = [system_of(name) for name in names]
    if len({system.name for system in systems}) < len(systems):
        raise ValueError(f"systems must have distinct names, got {', '.join(system.name for system in systems)}")
    factories: dict[str, Callable[[], Encoder]] = {"dense": partial(dense_encoder, settings.max_length), **FIXED}
    for name in names:
        if kind_and_model := parse_model(name):
            factories[field_name(name)] = partial(model_encoder, *kind_and_model)
        elif service := Service.parse(name):
            factories[service.field] = service.encoder
    encoders = [factories[field]() for field in dict.fromkeys(field for system in systems for field in system.fields)]
    if settings.rerank is not None:
        function, key = _reranker(settings.rerank)
        systems += [_with_reranker(system, function, key, settings.rerank) for system in systems]
    return encoders, systems


def _with_reranker(system: System, function: RerankFunction, key: Mapping[str, Any], name: str) -> System:
    about = f"{system.about}; the best {system.rerank_depth} reranked by {Path(name).name}"
    return replace(system, name=system.name + RERANKED, about=about, rerank=function, rerank_key=key)


def _reranker(name: str) -> tuple[RerankFunction, Mapping[str, Any]]:
    """The reranker of `Settings.rerank`, and what identifies its scores."""
    from refimpl.reranker import CrossEncoderRerankFunction, MaxSimRerankFunction

    function = MaxSimRerankFunction() if name == "maxsim" else CrossEncoderRerankFunction(name)
    folder = models.path("all-MiniLM-L6-v2" if name == "maxsim" else name)
    return function, {"reranker": type(function).__name__, **model_key(folder, "bert", "reranker", "tokens")}
