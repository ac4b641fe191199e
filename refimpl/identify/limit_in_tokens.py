"""The limit of an encoder as tokens of a model: special tokens in it, and texts beyond the model's positions."""

from collections.abc import Sequence

import numpy as np

from refimpl.common.types import Array
from refimpl.identify.ask import Refusal
from refimpl.identify.describe import Factor
from refimpl.identify.pooling import LINEAR
from refimpl.identify.reference import Reference
from refimpl.identify.rows import Rows
from refimpl.identify.truncation import SHORT, WORDS, Limit, text_of

NEAR, APART = 1e-2, 3.0
"""The largest relative deviation of the input that is named, and how many times as much any other one deviates."""


def factors(rows: Rows, limit: Limit, model: Reference | None, pool: Sequence[Factor]) -> list[Factor]:
    """What the limit is in the model's tokens, where the input is the usual one."""
    usual = any(f.name == "input" and f.value.endswith("with the model's special tokens") for f in pool)
    if model is None or not usual or limit.words is None:
        return []
    evidence = limit.factors[0].evidence
    if limit.words < WORDS:
        return _in_tokens(rows, evidence, limit.words, model, pool[0].value)
    if model.positions is None or model.positions >= WORDS:
        return []
    value = f"are read: the model has {model.positions} positions, so as by chunks or another model"
    return [Factor("texts beyond the model's positions", "known form", value, evidence)]


def _in_tokens(rows: Rows, evidence: str, words: int, model: Reference, pooling: str) -> list[Factor]:
    """Whether the special tokens after a text are kept at the limit: the pooled states of both inputs are compared."""
    name = "limit in tokens"
    before, after = model.special
    ids = _ids(model, text_of(SHORT, words).split())
    (answer,) = rows([text_of(SHORT, WORDS)])
    pool = next((one for one in sorted(LINEAR, key=len, reverse=True) if pooling.startswith(one)), None)
    if pool is None or isinstance(answer, Refusal) or ids is None:
        return []
    special = f"{before + after} special ones included"
    inputs = {f"{len(ids)} tokens, {special}": (ids, after)}
    if after:
        cut = f"{len(ids) - after} tokens, without the special one after the text: the finished input is cut"
        inputs[cut] = (ids[:-after], 0)
    errors = {}
    for value, (each, end) in inputs.items():
        if model.positions is None or len(each) <= model.positions:
            states = model.states(each)
            errors[value] = _apart(LINEAR[pool](states, before, end) @ states, answer)
    value = min(errors, key=lambda one: errors[one])
    others = [error for one, error in errors.items() if one != value]
    if errors[value] > NEAR or any(error < APART * errors[value] for error in others):
        return []
    return [Factor(name, "known form", value, evidence, errors[value])]


def _ids(model: Reference, words: Sequence[str]) -> list[int] | None:
    """The tokens of a text of any length, special ones included; None where a word is not one token."""
    before, after = model.special
    found = {word: model.tokens(word) for word in dict.fromkeys(words)}
    if any(len(ids) != before + 1 + after for ids in found.values()):
        return None
    first = found[words[0]]
    return [*first[:before], *(found[word][before] for word in words), *first[before + 1 :]]


def _apart(some: Array, other: Array) -> float:
    """The distance of two directions; infinite for vectors of other lengths."""
    if some.shape != other.shape:
        return float("inf")
    return float(np.linalg.norm(some / np.linalg.norm(some) - other / np.linalg.norm(other)))
