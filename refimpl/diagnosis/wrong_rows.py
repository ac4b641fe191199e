"""What the wrong vectors of some texts are: zeros, the right ones of other texts, or others than of each text alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import EncoderVariant
from refimpl.diagnosis.result import Cause, Diagnosis

SHOWN = 4
ANOTHER_ORDER = "rows in another order"
MIXED_UP = "belong to other texts: sorted by length, or concurrent results mixed up"
BEGINNING = 16  # characters that texts do not share by chance


def zeros(problem: EmbeddingProblem, deviations: Array, labels: Sequence[str]) -> Diagnosis | None:
    """Where the wrong vectors are all zero: which; else None."""
    rows = np.flatnonzero(deviations > problem.tolerance).tolist()
    if any(problem.actual[row].any() for row in rows):
        return None
    sentence, difference = _zeros_note(problem.actual, rows, labels, len(rows)), float(deviations.max())
    unexplained = tuple(labels[row] for row in rows)
    return Diagnosis(False, difference, problem.tolerance, (), observation=sentence, unexplained=unexplained)


def beside(found: Diagnosis, labels: Sequence[str], finite: Array) -> Diagnosis:
    """The diagnosis of the `finite` vectors of all `labels`, with which ones are not finite."""
    others = [label for label, is_finite in zip(labels, finite, strict=True) if not is_finite]
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    verb, those = ("are", "those") if len(others) > 1 else ("is", "that")
    sentence = f"{len(others)} of {len(labels)} vectors {verb} not finite, {those} of {', '.join(others[:SHOWN])}{more}"
    whole = replace(found, matches=False, difference=np.inf, unexplained=(*found.unexplained, *others))
    if found.matches:
        return replace(whole, observation=f"{sentence}; all others are right")
    causes = tuple(replace(cause, explains_all=False) for cause in found.causes)
    observation = None if found.observation is None else f"of the others, {found.observation}"
    return replace(whole, causes=causes, observation=observation, notes=(sentence, *found.notes))


def with_notes(
    found: Diagnosis, problem: EmbeddingProblem, expected: Array, rows: Sequence[int], labels: Sequence[str]
) -> Diagnosis:
    """The diagnosis with what unexplained texts have: zeros, or another's vector, beside which no hint is likely."""
    texts = problem.encoder.firsts
    others = exchanged(problem.actual, expected, rows, texts, problem.tolerance)
    notes = (exchanged_note(others, len(rows), texts, labels),) if others else ()
    if (by_length := length_note(problem, expected, rows)) is not None:
        notes = (*notes, by_length)
    if (zero := _zeros_note(problem.actual, rows, labels, _wrong(problem, expected))) is not None:
        notes = (zero, *notes)
    if len(others) > max(1, len(rows) / 2):
        return replace(found, causes=tuple(each for each in found.causes if each.texts), notes=notes)
    return replace(found, notes=(*notes, *found.notes))


def _wrong(problem: EmbeddingProblem, expected: Array) -> int:
    """The number of texts that mismatch."""
    return int(np.sum(np.abs(problem.actual - expected).max(axis=1) > problem.tolerance))


def length_note(problem: EmbeddingProblem, expected: Array, rows: Sequence[int]) -> str | None:
    """A sentence where the unexplained `rows` are all that mismatch, and lengths tell them from the others."""
    lengths = problem.encoder.tokens(EncoderVariant()).lengths
    wrong = np.abs(problem.actual - expected).max(axis=1) > problem.tolerance
    if wrong.all() or not np.array_equal(np.flatnonzero(wrong), sorted(rows)):
        return None
    theirs, others = lengths[wrong], lengths[~wrong]
    if theirs.min() > others.max():
        return f"only texts of {theirs.min()} or more tokens mismatch; all of up to {others.max()} match"
    if theirs.max() < others.min() and len(rows) > 1:
        return f"only texts of up to {theirs.max()} tokens mismatch; all of {others.min()} or more match"
    return None


def joined(alone: Diagnosis, cause: Cause, changed: str, difference: float) -> Diagnosis:
    """The cause of what the other texts of a call change, before the diagnosis of the texts alone."""
    both = (
        replace(each, explains_all=alone.matches and each.explains_all) for each in (cause, *_of_texts_alone(alone))
    )
    return replace(alone, matches=False, difference=difference, causes=tuple(both), notes=(changed, *alone.notes))


def without_cause(alone: Diagnosis, of_call: Diagnosis, changed: str) -> Diagnosis:
    """What was measured of the wrong vectors of a call, and the diagnosis of the texts alone."""
    depends = "vectors depend on the other texts of a call"
    if alone.matches:
        shown = of_call.observation or of_call.notes
        sentence = f"{changed}, the right one" + ("" if shown else f": {depends}")
        return replace(of_call, notes=(sentence, *of_call.notes))
    observation = None if alone.observation is None else f"of each text alone, {alone.observation}"
    notes = (f"{changed}: {depends}", *of_call.notes, *alone.notes)
    causes = _of_texts_alone(alone)
    return replace(alone, difference=of_call.difference, causes=causes, notes=notes, observation=observation)


def _of_texts_alone(alone: Diagnosis) -> tuple[Cause, ...]:
    return tuple(replace(each, of=f"{each.of}, each run alone") if each.of else each for each in alone.causes)


def _zeros_note(actual: Array, rows: Sequence[int], labels: Sequence[str], wrong: int) -> str | None:
    """A sentence on those of the unexplained `rows` whose vectors are zero, of `wrong` ones; None where none is."""
    zeros = [row for row in rows if not actual[row].any()]
    if not zeros:
        return None
    last = len(zeros) > 1 and zeros == list(range(len(actual) - len(zeros), len(actual)))
    more = f" and {len(zeros) - SHOWN} more" if len(zeros) > SHOWN else ""
    which = "those of the last texts" if last else f"those of {', '.join(labels[row] for row in zeros[:SHOWN])}{more}"
    verb = "are" if len(zeros) > 1 else "is"
    sentence = f"{len(zeros)} of {len(actual)} vectors {verb} zero, {which}"
    return f"{sentence}; all others are right" if len(zeros) == wrong else sentence


def out_of_order(found: Diagnosis, difference: float, share: float) -> Diagnosis:
    """The diagnosis of the rows put in order, whose order is a cause as well; `share` is what it explains alone."""
    causes = tuple(
        replace(each, names=(ANOTHER_ORDER, *each.names), explanation=f"the vectors {MIXED_UP}; {each.explanation}")
        for each in found.causes
    )
    if not causes:
        causes = (Cause((ANOTHER_ORDER,), f"the vectors {MIXED_UP}", found.difference, share, found.matches),)
    return replace(found, matches=False, difference=difference, causes=causes)


def exchanged(
    actual: Array, expected: Array, rows: Sequence[int], texts: Sequence[str], tolerance: float
) -> dict[int, int]:
    """Those of the `rows` that have the right vector of another text, each with the most similar such text."""
    found = {}
    for row in rows:
        equal = np.flatnonzero(np.abs(expected - actual[row]).max(axis=1) <= tolerance).tolist()
        if equal and row not in equal:
            found[row] = max(equal, key=lambda other: _common(texts[row], texts[other]))
    return found


def exchanged_note(found: Mapping[int, int], wrong: int, texts: Sequence[str], labels: Sequence[str]) -> str:
    """A sentence on what `exchanged` found among so many wrong texts."""
    named = [f"{labels[row]} that of {labels[other]}" for row, other in found.items()]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    opening = f"{len(named)} of {wrong} unexplained texts have the right vector of another text"
    common = min(_common(texts[row], texts[other]) for row, other in found.items())
    why = "as with truncation, or a cache by the beginning of a text"
    kept = f"all share at least their first {common} characters with it, {why}"
    mixed = "as when rows are mixed up, kept under a part of the text, or texts become equal before the encoder"
    ending = "" if len(named) < 2 else f"; {kept if common >= BEGINNING else mixed}"
    return f"{opening}: {', '.join(named[:SHOWN])}{more}{ending}"


def _common(one: str, other: str) -> int:
    """The number of characters that two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
