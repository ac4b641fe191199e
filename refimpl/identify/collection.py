"""How the collection is treated: empty documents, the number of hits, zero settings, repeated runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refimpl.identify import tf
from refimpl.identify.ask import Answers, Probe, Scores
from refimpl.identify.formula import EmptyTokens, Formula
from refimpl.identify.heldout import split
from refimpl.identify.places import Idfs, Run, places_of
from refimpl.identify.probes import SETTINGS
from refimpl.identify.scores import Corpus, Values
from refimpl.identify.words import words

HITS, LENGTHS = 230, 33  # 7 documents of a length: most usual numbers of hits are no multiple of it
SLACK = 1e-4  # of parameters that were fitted to rounded scores; treatments differ by over 1e-2


def hits_probe() -> Probe:
    """500 short documents, of which HITS have the one query term, with LENGTHS different lengths."""
    fresh = words(7)
    term, pool = next(fresh), [next(fresh) for _ in range(40)]
    docs = [[term, *pool[: 2 + number % LENGTHS]] for number in range(HITS)]
    docs += [pool[number % 20 : number % 20 + 5] for number in range(500 - HITS)]
    return Probe(tuple(" ".join(doc) for doc in docs), (term,), *SETTINGS["first"])


def count_hits(scores: Scores) -> int:
    """The number of documents with another score than those without the term have."""
    background = background_of(scores[0, HITS:])
    return int(np.sum(scores[0, :HITS] != background))


def cut(answers: Answers) -> int | None:
    """The number of hits of a query that are returned; None for all.

    Scores of 0 may have another cause: no query has more hits than a cut, which ends within documents of one length.
    """
    scores = answers.scores("hits")
    if scores is None or (returned := count_hits(scores)) >= HITS:
        return None
    found = scores[0, :HITS] != background_of(scores[0, HITS:])
    by_length = [found[number::LENGTHS] for number in range(LENGTHS)]
    within = any(each.any() and not each.all() for each in by_length)
    main = answers.scores("mixed")
    more = main is not None and int(np.count_nonzero(np.nan_to_num(main), axis=1).max()) > returned
    return returned if returned and within and not more else None


def background_of(values: Values) -> float:
    """The most frequent value."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[np.argmax(counts)])


@dataclass(frozen=True)
class Empty:
    """Whether empty documents count in N and in the average; None where the scores do not decide."""

    n_empty: bool | None
    average_empty: bool | None
    error: float | None = None
    """Of the scores that show it; None where no treatment fits, or none was tried."""
    tokens: EmptyTokens = "none"
    """Whether they have one empty token, see `Formula`."""


def empty_documents(formula: Formula, corpus: Corpus) -> Empty:
    """Compare the scores of a corpus with empty documents with those of each treatment."""
    fits = []
    for n_empty, average_empty in ((True, True), (False, False), (True, False), (False, True)):
        candidate = replace(formula, n_empty=n_empty, average_empty=average_empty)
        if (error := _deviation(candidate, corpus)) is not None:
            fits.append(Empty(n_empty, average_empty, error))
    no_n = formula.idf is not None and formula.idf.form.name in ("none", "1/n")
    no_average = formula.norm not in ("in K", "divides") or isinstance(formula.average, float)
    if no_n and not no_average:
        fits = [fit for fit in fits if fit.n_empty]
    if no_average and not no_n:
        fits = [fit for fit in fits if fit.n_empty == fit.average_empty]
    if not fits:
        kinds: tuple[EmptyTokens, ...] = ("spaces", "blank")
        errors = ((kind, _deviation(replace(formula, empty_tokens=kind), corpus)) for kind in kinds)
        possible = (Empty(True, True, error, kind) for kind, error in errors if error is not None)
        return next(possible, Empty(None, None))
    n = fits[0].n_empty if len({fit.n_empty for fit in fits}) == 1 else None
    average = fits[0].average_empty if len({fit.average_empty for fit in fits}) == 1 else None
    return Empty(n, average, min(fit.error or 0.0 for fit in fits))


def _deviation(formula: Formula, corpus: Corpus) -> float | None:
    """The largest relative difference over the terms that are read; None where one exceeds its error."""
    layout = corpus.layout
    k1, b = SETTINGS["first"]
    prepared = formula.prepare([split(" ".join(doc), formula) for doc in layout.docs], k1, b)
    places = [(layout.idf_doc, term) for term in layout.idf.values()]
    places += [(layout.tf_doc, layout.tf[1])]
    places += [(document, term) for document, terms in layout.lengths for term in terms.values()]
    anchor = formula.term(layout.anchor[0], prepared, k1, b)[layout.anchor[1]]
    worst = 0.0
    for document, term in places:
        reading = corpus.read(term, document)
        if reading is None:
            continue
        expected = formula.term(term, prepared, k1, b)[document]
        expected = expected / anchor if corpus.scale.best is not None and anchor else expected
        off = abs(reading.value - expected)
        if not off <= 5 * reading.error + 20 * corpus.scale.precision.relative * abs(expected) + SLACK * abs(expected):
            return None
        worst = max(worst, off / max(abs(reading.value), 1e-9))
    return worst


def zero_setting(formula: Formula, run: Run, defaults: Sequence[float]) -> float | None:
    """What a k1 or b of 0 becomes: 0 itself, one of `defaults`, or None where none of them explains the run."""
    places = places_of(run, formula.idf)
    if not len(places.measured):
        return None
    for value in (0.0, *defaults):
        zero_k1 = run.setting == "k1 zero"
        candidate = replace(formula, zero_k1=value) if zero_k1 else replace(formula, zero_b=value)
        with np.errstate(all="ignore"):
            expected = places.ideal(candidate) * formula.scale
        if (np.abs(places.measured - expected) <= 5 * places.errors + SLACK * np.abs(expected)).all():
            return value
    return None


def tf_curve(run: Run) -> list[tuple[float, float]]:
    """Occurrences and measured weights, relative to one occurrence."""
    points = tf.points(run.corpus, Idfs(run.corpus, None))
    if 1 not in points:
        return []
    return [(float(f), one.value / points[1].value) for f, one in points.items()]
