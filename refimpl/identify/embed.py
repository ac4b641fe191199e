"""What an encoder computes: calls, text, truncation, numbers, and the pooling of a published model's token states."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from refimpl.identify import batches, limit_in_tokens, pooling, sameness, truncation, values, writing
from refimpl.identify.ask import Refusal, Target
from refimpl.identify.describe import Factor, Identification
from refimpl.identify.pooling import Pooled
from refimpl.identify.reference import TEXTS, Published, Reference, inputs
from refimpl.identify.rows import Vectors, refused

LEADING = (
    *("width", "numbers", "length of vectors", "pooling", "input", "part of the states", "text: case", "text: accents"),
    *("truncation", "limit in tokens", "texts beyond the model's positions", "other texts of the call"),
)


def identify(
    target: Target, model: str | Reference | None, progress: Callable[[str], None] = lambda what: None
) -> Identification:
    """Measure the encoder of `target`; `refimpl.identify.identify_embed` describes the arguments."""
    started = time.perf_counter()
    rows = Vectors(target)
    progress("calls")
    calls = batches.measure(rows)
    encode = calls.for_probes(rows)
    same = sameness.measure(encode, calls.repeatable, calls.single)
    progress("written forms")
    factors = [*calls.factors, *writing.factors(encode, same)]
    progress("truncation")
    limit = truncation.measure(encode, same)
    progress("pooling")
    given = encode(TEXTS) if calls.single else rows(TEXTS)
    if (refusal := refused(given)) is not None:
        raise ValueError(f"{target.name} refuses a plain text: {refusal.message}")
    answers = np.stack([row for row in given if not isinstance(row, Refusal)])
    numbers = values.factors(answers, rows.dtypes)
    reference = Published(model) if isinstance(model, str) else model
    pool = _pooling(reference, answers, calls.repeatable)
    if numbers[1].status == "undetermined":
        numbers[1], pool = _integers(numbers[1], reference, answers, pool, calls.repeatable)
    scaled = "each column" in numbers[1].value
    if not calls.repeatable or scaled or "bits" in numbers[1].value or numbers[1].status == "undetermined":
        numbers = [factor for factor in numbers if factor.name != "length of vectors"]
    in_tokens = limit_in_tokens.factors(encode, limit, reference, pool)
    every = (*numbers, *pool, *limit.factors, *in_tokens, *factors)
    open_ = [factor.name for factor in every if factor.status == "undetermined"]
    sentence = _sentence(every, open_)
    return Identification(target.name, sentence, not open_, "", "", every, (), time.perf_counter() - started)


def _integers(
    numbers: Factor, model: Reference | None, answers: np.ndarray, pool: list[Factor], repeatable: bool
) -> tuple[Factor, list[Factor]]:
    """8-bit integers are numbers, or bits in eights: what is pooled decides."""
    if len(pool) > 1:
        return Factor("numbers", "known form", "8-bit integers", numbers.evidence), pool
    for name, bits in values.unpacked(answers).items():
        packed = _pooling(model, bits, repeatable)
        if len(packed) > 1:
            return Factor("numbers", "known form", name, numbers.evidence), packed
    return numbers, pool


def _sentence(factors: Sequence[Factor], open_: Sequence[str]) -> str:
    by_name = {factor.name: factor for factor in factors}
    known = [by_name[name] for name in LEADING if name in by_name and name not in open_]
    words = [f.value if f.name in LEADING[:6] else f"{f.name.removeprefix('text: ')}: {f.value}" for f in known]
    sentence = "; ".join(words)
    return sentence + (f"; not determined: {', '.join(open_)}." if open_ else ".")


def _pooling(model: Reference | None, vectors: np.ndarray, repeatable: bool) -> list[Factor]:
    name = "pooling"
    if model is None:
        return [Factor(name, "undetermined", "no model to compare with: give --model", "")]
    evidence = f"weights of {model.name}'s token states solved for in {len(TEXTS)} texts"
    if not repeatable:
        return [Factor(name, "undetermined", "the answers vary from call to call", evidence)]
    unit = values.norm_of(vectors)[1].startswith(("unit", "sum", "largest", "one length"))
    found = pooling.find(model, list(inputs(model)), TEXTS, vectors, unit)
    if found is None:
        why = f"not a pooling of {model.name}'s token states: another model, a prefix that is not listed, or a fault"
        return [Factor(name, "undetermined", why, evidence)]
    return _found(found, model, evidence, unit)


def _found(found: Pooled, model: Reference, evidence: str, unit: bool) -> list[Factor]:
    given = Factor("input", "known form", f"of {model.name}, {found.input}", evidence, found.error)
    if not found.name:
        curve = tuple((float(i), weight) for i, weight in enumerate(found.weights))
        text = f"no known pooling; weights of the tokens of {TEXTS[1]!r} in the curve"
        return [Factor("pooling", "measured curve", text, evidence, found.residual, curve), given]
    if found.rivals:
        value = f"one of: {'; '.join((found.name, *found.rivals))}"
        return [Factor("pooling", "undetermined", value, f"{evidence}: precision hides which", found.error), given]
    scaled = f", {found.scale}" if found.scale else ""
    lost = " (or their sum: the length does not show)" if unit and found.name.startswith("mean over") else ""
    factors = [Factor("pooling", "known form", f"{found.name}{scaled}{lost}", evidence, found.error), given]
    if found.part != "all":
        factors.append(Factor("part of the states", "known form", found.part, evidence, found.error))
    precise = found.error <= pooling.EXACT
    states = "those of the model" if precise else f"deviate by {found.error:.1e}: low precision, or a small fault"
    return [*factors, Factor("token states", "known form", states, evidence, found.error)]
