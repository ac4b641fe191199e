"""The cause of a mismatch of sentence vectors."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, compress
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from refimpl import models
from refimpl.common.texts import check_texts
from refimpl.common.types import Array
from refimpl.common.warning import silenced
from refimpl.dense.minilm import MiniLMEmbeddingFunction
from refimpl.diagnosis.arithmetic_search import ArithmeticSearch, Fit, suggested_tolerance
from refimpl.diagnosis.by_text import WORK, TextSearch
from refimpl.diagnosis.call_search import CallSearch
from refimpl.diagnosis.calls import changed_alone
from refimpl.diagnosis.chunks import of_chunks
from refimpl.diagnosis.dropped_words import DroppedWordSearch
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import EncoderVariant, VariedEncoder
from refimpl.diagnosis.explanation import Explanation, Near
from refimpl.diagnosis.hypotheses import Combination
from refimpl.diagnosis.linear_maps import LinearMap, linear_map
from refimpl.diagnosis.output_maps import another_length, output_map
from refimpl.diagnosis.outputs import degenerate, measured_head, reordered
from refimpl.diagnosis.pooling import NORM, POOLING
from refimpl.diagnosis.prompts import PromptSearch
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.same_tokens import Encode, MeasuredTokenizer, measured_tokenizer
from refimpl.diagnosis.sampling import few_texts, varied_tokens
from refimpl.diagnosis.similarities import matched_order, random_directions, similarity_note
from refimpl.diagnosis.special_tokens import SpecialTokenSearch
from refimpl.diagnosis.stored_maps import stored_map
from refimpl.diagnosis.structure.search import StructuralSearch
from refimpl.diagnosis.truncations import TruncationSearch
from refimpl.diagnosis.weighted_pooling import PoolingSearch, forward_is_right, pooling_note
from refimpl.diagnosis.wrapped_positions import PositionSearch
from refimpl.diagnosis.wrong_rows import (
    ANOTHER_ORDER,
    MIXED_UP,
    beside,
    joined,
    out_of_order,
    with_notes,
    without_cause,
    zeros,
)
from refimpl.tokens import TruncationWarning

LABEL = 30  # characters of a text that label it
MOST_TOKENS = 8192  # of all texts; of more, a function in float32 shows which texts mismatch, and fewer are explained
LEAST_ALIKE, MOST_ALIKE = 12, 64  # texts whose pairs are compared
MOST_NAMED = 4  # texts that a hint is printed with


def diagnose_embeddings(
    actual: ArrayLike,
    texts: Sequence[str],
    *,
    model_path: str | Path | None = None,
    tolerance: float = 1e-6,
    labels: Sequence[str] | None = None,
    encode: Encode | None = None,
) -> Diagnosis:
    """Compare sentence vectors with all-MiniLM-L6-v2's (or another model folder's), and find why they differ.

    The reference is the float64 textbook forward, mean over tokens, unit length. Causes are searched text by text, so
    that a few texts with a cause of their own do not hide the cause of the others.

    Parameters
    ----------
    actual
        Vectors `(texts, dim)`.
    texts
        The texts, in the same order.
    model_path
        A model folder of the same architecture; default all-MiniLM-L6-v2.
    tolerance
        Per entry, relative to the length of the vector, which is 1 for the reference.
    labels
        Short names of the texts for the diagnosis; default their beginnings.
    encode
        The implementation, from texts to vectors. It is then run on some 300 texts, of which it gives those one vector
        that have the same tokens to it; so its tokenizer is known by itself, and any number of its deviations.

    Raises
    ------
    TypeError
        For texts that are not a list of str.
    ValueError
        For another shape.
    """
    checked = check_texts(texts, "texts")
    folder = models.path("all-MiniLM-L6-v2" if model_path is None else str(model_path))
    vectors = np.asarray(actual, dtype=np.float64)
    encoder = VariedEncoder(folder, checked)
    width = encoder.published.config.hidden_size
    if vectors.shape != (len(checked), width):
        raise ValueError(f"expected vectors of shape {(len(checked), width)}, got {vectors.shape}: one row per text")
    labels = labels or [repr(text[:LABEL]) for text in checked]
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    if finite.all() or not finite.any():
        return _diagnosed(EmbeddingProblem(vectors, encoder, tolerance), labels, encode)[0]
    encoder = VariedEncoder(folder, list(compress(checked, finite)))
    rest = EmbeddingProblem(vectors[finite], encoder, tolerance)
    return beside(_diagnosed(rest, list(compress(labels, finite)), encode)[0], labels, finite)


def _diagnosed(
    problem: EmbeddingProblem, labels: Sequence[str], encode: Encode | None
) -> tuple[Diagnosis, Combination]:
    """The diagnosis, and the combination of hypotheses that explains most texts: `()` for none."""
    vectors, encoder, tolerance = problem.actual, problem.encoder, problem.tolerance
    expected = _reference(problem)
    deviations = np.abs(vectors - expected).max(axis=1, initial=0.0)
    difference = float(deviations.max(initial=0.0))
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ()), ()
    observed = _observed(problem, expected, difference)
    if observed is None and (order := matched_order(vectors, expected)) is not None:
        in_order = np.empty_like(vectors)
        in_order[order] = vectors
        diagnosis, combination = _diagnosed(EmbeddingProblem(in_order, encoder, tolerance), labels, None)
        share = 1 - _squares(in_order - expected) / _squares(vectors - expected)
        return out_of_order(diagnosis, difference, share), combination
    callable_again = encode if np.isfinite(difference) and not (observed and observed.causes) else None
    if callable_again and (of_calls := _of_calls(problem, expected, labels, callable_again)) is not None:
        return of_calls
    if observed is not None:
        return observed, ()
    if (mapped := _mapped(problem, expected, difference)) is not None:
        return mapped, ()
    by_result = _computed(deviations > tolerance, encoder.tokens(EncoderVariant()).lengths)
    if (of_few := zeros(problem, deviations, labels) or of_chunks(problem, *by_result, difference)) is not None:
        return of_few, ()
    tokenizer = None if encode is None else measured_tokenizer(encode, encoder.folder, encoder.max_length)
    diagnosis, combination = _explained(problem, deviations, labels, tokenizer)
    rows = [row for row, label in enumerate(labels) if label in diagnosis.unexplained]
    return with_notes(diagnosis, problem, expected, rows, labels), combination


def _of_calls(
    problem: EmbeddingProblem, expected: Array, labels: Sequence[str], encode: Encode
) -> tuple[Diagnosis, Combination] | None:
    """Where a text alone has another vector: why, and the causes of the texts alone.

    None where it has the same, and for more than `MOST_TOKENS` tokens: every text would be run twice more.
    """
    texts, tolerance = problem.encoder.firsts, problem.tolerance
    if problem.encoder.tokens(EncoderVariant()).lengths.sum() > MOST_TOKENS:
        return None
    deviations = np.abs(problem.actual - expected).max(axis=1)
    rows, difference = np.flatnonzero(deviations > tolerance).tolist(), float(deviations.max())
    changed = changed_alone(encode, problem.actual[rows], expected[rows], [texts[row] for row in rows], tolerance)
    if changed is None:
        return None

    search = CallSearch(problem, encode)
    if (of_earlier := search.of_earlier_calls(difference)) is not None:
        return of_earlier, ()

    def one_by_one(texts: list[str]) -> Array:
        vectors = [np.asarray(encode([text]), dtype=np.float64) for text in texts]
        width = (1, problem.actual.shape[1])
        return np.concatenate(vectors) if {vector.shape for vector in vectors} == {width} else np.empty(0)

    alone = one_by_one(texts)
    if alone.shape != problem.actual.shape:
        return None
    cause = search.cause(labels)
    found, combination = Diagnosis(True, 0.0, tolerance, ()), Combination()
    if not search.explains_alone(alone):
        found, combination = _diagnosed(EmbeddingProblem(alone, problem.encoder, tolerance), labels, one_by_one)
        cause = cause or CallSearch(problem, encode, combination).cause(labels)
    if cause is not None:
        return joined(found, cause, changed, difference), combination
    unexplained = Diagnosis(False, difference, tolerance, (), unexplained=tuple(labels[row] for row in rows))
    of_call = zeros(problem, deviations, labels) or with_notes(unexplained, problem, expected, rows, labels)
    return without_cause(found, of_call, changed), combination


def _observed(problem: EmbeddingProblem, expected: Array, difference: float) -> Diagnosis | None:
    """What the vectors show as a whole: that they are of no encoder, or the right ones of other texts; else None."""
    vectors, tolerance = problem.actual, problem.tolerance
    if sentence := degenerate(vectors, expected) or random_directions(vectors, expected):
        return Diagnosis(False, difference if np.isfinite(difference) else np.inf, tolerance, (), observation=sentence)
    if (residual := reordered(vectors, expected, tolerance)) is not None:
        cause = Cause((ANOTHER_ORDER,), f"the vectors are right, but {MIXED_UP}", residual, 1.0, True)
        return Diagnosis(False, difference, tolerance, (cause,))
    return None


def _mapped(problem: EmbeddingProblem, expected: Array, difference: float) -> Diagnosis | None:
    """Where the vectors are a function of the right ones, which function; else None."""
    vectors, tolerance = problem.actual, problem.tolerance
    of_rows = linear_map(vectors, expected, tolerance) or output_map(vectors, expected, tolerance)
    found = of_rows or stored_map(problem, expected) or _of_length(problem, expected)
    if found is None:
        return None
    cause = Cause((found.name,), found.explanation, found.residual, 1.0, True)
    return Diagnosis(False, difference, tolerance, (cause,))


def _of_length(problem: EmbeddingProblem, expected: Array) -> LinearMap | None:
    """Vectors of the right directions whose lengths are of no listed kind."""
    found = another_length(problem.actual, expected, problem.tolerance)
    rows = range(len(expected))
    sums = [(), *((each,) for each in POOLING if each.name in ("sum pooling", "sum over root of length"))]
    listed = ((*pool, norm) for pool in sums for norm in NORM)
    if found is None or any(problem.trial(each, rows).explained.all() for each in listed):
        return None
    return found


def _squares(errors: Array) -> float:
    return float(np.sum(errors**2))


def _reference(problem: EmbeddingProblem) -> Array:
    texts, encoder = problem.encoder.firsts, problem.encoder
    if not texts:
        return np.empty((0, problem.actual.shape[1]))
    if encoder.tokens(EncoderVariant()).lengths.sum() <= MOST_TOKENS:
        return problem.vectors((), range(len(texts)))[0]
    with silenced(TruncationWarning):  # the reference truncates at its own length
        function = MiniLMEmbeddingFunction(encoder.folder, dtype="float32", max_length=encoder.max_length)
        return function(texts).astype(np.float64)


def _explained(
    problem: EmbeddingProblem,
    deviations: Array,
    labels: Sequence[str],
    tokenizer: MeasuredTokenizer | None,
) -> tuple[Diagnosis, Combination]:
    """Search for causes among the texts that are computed: all, or the shortest of many."""
    difference, tokens = float(deviations.max()), problem.encoder.tokens(EncoderVariant())
    mismatching, matching = _computed(deviations > problem.tolerance, tokens.lengths)
    varied = varied_tokens(problem.encoder)
    truncation, pooling, positions = TruncationSearch(problem), PoolingSearch(problem), PositionSearch(problem)
    dropped_words, structure = DroppedWordSearch(problem), StructuralSearch(problem, WORK)
    arithmetic, prompts, special = ArithmeticSearch(problem), PromptSearch(problem), SpecialTokenSearch(problem)
    heads = measured_head(problem.actual)

    def around(bases: Sequence[Combination], rows: Sequence[int]) -> list[Combination]:
        return list(special(bases, rows)) or prompts(bases, rows)

    added_to = _nothing if tokenizer is None else tokenizer.added_to
    search = TextSearch(
        problem,
        mismatching,
        matching,
        heads,
        lambda rows: few_texts(rows, tokens, varied),
        lambda context, *rows: chain(
            added_to(context), *(each(context, *rows) for each in (truncation, positions, pooling, dropped_words))
        ),
        () if forward_is_right(problem, heads[0], mismatching) else (structure, around),
        arithmetic,
    )
    found = search.run()
    if arithmetic.found:
        return _of_arithmetic(arithmetic.found, problem, found, labels, difference), ()
    causes = _causes(found, len(mismatching) + len(matching), len(matching), labels, problem.encoder.max_length)
    unexplained = tuple(labels[row] for row in found.unexplained)
    ruled_out = (*prompts.ruled_out(), *structure.ruled_out()) if found.unexplained else ()
    measured = _measured(problem, found, labels, tokenizer)
    notes = (*measured, *ruled_out, *_alike(problem, found.unexplained), *_notes(found, len(problem.searched)))
    diagnosis = Diagnosis(False, difference, problem.tolerance, causes, unexplained=unexplained, notes=notes)
    return diagnosis, found.groups[0].combination if found.groups else ()


def _measured(
    problem: EmbeddingProblem, found: Explanation, labels: Sequence[str], tokenizer: MeasuredTokenizer | None
) -> tuple[str, ...]:
    """What was measured of the tokens, and of the pooling where most texts are unexplained."""
    context = found.groups[0].combination if found.groups else ()
    whole = context if len(found.groups) == 1 and not found.unexplained else None
    tokens = () if tokenizer is None else (tokenizer.sentence(whole),)
    most = len(found.unexplained) > len(problem.actual) / 2  # else it is a matter of single texts, as of tokens
    return (*tokens, *(pooling_note(problem, context, found.unexplained, labels) if most else ()))


def _alike(problem: EmbeddingProblem, rows: Sequence[int]) -> tuple[str, ...]:
    few = rows[:MOST_ALIKE]
    return similarity_note(problem.actual[list(few)], problem.vectors((), few)[0]) if len(few) >= LEAST_ALIKE else ()


def _of_arithmetic(
    fit: Fit, problem: EmbeddingProblem, found: Explanation, labels: Sequence[str], difference: float
) -> Diagnosis:
    """The texts whose errors are those of an arithmetic are explained; the others are not."""
    rows = np.array(fit.rows)[fit.fitting]
    expected = problem.vectors(fit.base, [int(row) for row in rows])[0]
    tolerance = suggested_tolerance(problem.actual[rows], expected)
    largest = float(np.abs(problem.actual[rows] - expected).max())
    mean = float(fit.cosines[fit.fitting].mean())
    evidence = f"errors up to {largest:.2g} have its direction (mean cosine {mean:.2f} with simulated ones) and size"
    named = tuple(labels[row] for row in rows)
    cause = Cause(
        names=(fit.arithmetic.name, *(each.name for each in fit.base)),
        explanation="; ".join([fit.arithmetic.explanation, *(each.explanation for each in fit.base), evidence]),
        residual=float(fit.residuals[fit.fitting].max()),
        share=1.0,
        explains_all=False,
        texts=named,
        of=f"{len(rows)} of {len(found.unexplained)} texts",
        remedy=f"compare with --tolerance {tolerance}" if tolerance else "",
    )
    others = tuple(labels[row] for row in found.unexplained if row not in rows)
    return Diagnosis(False, difference, problem.tolerance, (cause,), unexplained=others)


def _nothing(context: Combination) -> Iterator[Combination]:
    return iter(())


def _computed(mismatches: Array, lengths: Array) -> tuple[list[int], list[int]]:
    """The mismatching and the matching texts, each shortest first, of at most `MOST_TOKENS` tokens in all."""
    order = np.argsort(lengths, kind="stable")
    parts = []
    for rows in (order[mismatches[order]], order[~mismatches[order]]):
        fitting = (
            np.cumsum(lengths[rows]) <= MOST_TOKENS / 2 if lengths.sum() > MOST_TOKENS else np.ones_like(rows, bool)
        )
        fitting[:1] = True
        parts.append([int(row) for row in rows[fitting]])
    return parts[0], parts[1]


def _causes(found: Explanation, texts: int, matching: int, labels: Sequence[str], max_length: int) -> tuple[Cause, ...]:
    whole = len(found.groups) == 1 and not found.unexplained
    groups = []
    for group in found.groups:
        wrong = f"{len(group.rows)} of {texts - matching} texts" + (" that mismatch" if matching else "")
        of = f"{texts} of {texts} texts" if whole else wrong
        named = tuple(labels[row] for row in group.rows)
        groups.append(_cause(group.combination, group.residual, 1.0, whole, max_length, named, of))
    residual = found.groups[0].residual if found.groups else 0.0
    equivalents = [_cause(each, residual, 1.0, True, max_length) for each in found.equivalents]
    nearest = [
        replace(
            _cause(each.combination, each.residual, each.share, False, max_length),
            of=_reach(each, len(found.unexplained), matching, labels) if each.exact else "",
        )
        for each in found.nearest
    ]
    return (*groups, *equivalents, *nearest)


def _reach(near: Near, unexplained: int, matching: int, labels: Sequence[str]) -> str:
    """How many texts a hint explains, and which not."""
    explained = unexplained - len(near.left)
    sentence = f"{explained} of {unexplained} texts" + (f" (not {_few(near.left, labels)})" if near.left else "")
    if not near.changed:
        return sentence
    return f"{sentence}, and changes {len(near.changed)} of {matching} that match ({_few(near.changed, labels)})"


def _few(rows: Sequence[int], labels: Sequence[str]) -> str:
    more = len(rows) - MOST_NAMED
    return ", ".join(labels[row] for row in rows[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _cause(
    combination: Combination,
    residual: float,
    share: float,
    explains_all: bool,
    max_length: int,
    texts: tuple[str, ...] = (),
    of: str = "",
) -> Cause:
    remedies = [each.remedy.format(max_length=max_length) for each in combination if each.remedy]
    return Cause(
        names=tuple(hypothesis.name for hypothesis in combination),
        explanation="; ".join(hypothesis.explanation for hypothesis in combination),
        residual=residual,
        share=share,
        explains_all=explains_all,
        texts=texts,
        of=of,
        remedy="; ".join(dict.fromkeys(remedies)),
    )


def _notes(found: Explanation, hypotheses: int) -> tuple[str, ...]:
    """What the limit of work left out for texts without a cause, of so many listed hypotheses."""
    if not found.untried or not found.unexplained:
        return ()
    pairs = f"each of the {hypotheses} listed hypotheses was tried alone, but not every pair of them"
    some = f"some of the {hypotheses} listed hypotheses were not tried on the unexplained texts"
    opening = "the search ended at its limit of work, which does not depend on time"
    return (f"{opening}: {pairs if found.untried == 'pairs' else some}",)
