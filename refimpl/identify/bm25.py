"""Runs the probes on a target and combines what they show."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refimpl.identify import collection, combine, heldout, idf, query, ranks, tokens
from refimpl.identify.ask import Answers, Refusal, Scores, Target, ask, without_refused_queries
from refimpl.identify.collection import Empty
from refimpl.identify.counted import Token, kind_counted
from refimpl.identify.formula import Formula
from refimpl.identify.heldout import HeldOut
from refimpl.identify.idf import Idf
from refimpl.identify.length import PAIRS, HitLengths, among_hits
from refimpl.identify.places import Fit, Run
from refimpl.identify.probes import SETTINGS, long, mixed, probe, small, with_empty
from refimpl.identify.query import QueryFit
from refimpl.identify.row_scaling import SPANS, RowScaling, Undone, undone
from refimpl.identify.scores import Corpus, Precision, Scale, coarser, find_scale, lower_is_better
from refimpl.identify.tf import Tf

COARSE = 0.01  # error of a middling score, relative to it
NOISE = 1e-30  # scores below are no BM25's
DEFAULTS = (1.2, 1.5, 2.0, 0.75, 1.6, 0.9, 0.4, 1.0)


@dataclass(frozen=True)
class Kept:
    """What shows that something of an earlier corpus is kept: the scores of a later one of as many documents."""

    later: HeldOut
    average: bool
    """Whether the earlier corpus' average length explains them."""

    def __str__(self) -> str:
        what = (
            "its average length" if self.average else "such as its document frequencies, or the answers to its queries"
        )
        return f"something of an earlier corpus of as many documents is kept: {what}"


@dataclass(frozen=True)
class Measured:
    """Everything that was measured; None where a probe was refused or no known form matches."""

    answers: Answers
    seconds: float
    problem: str = ""  # why nothing can be identified
    scale: Scale = Scale()  # noqa: RUF009  frozen
    counts_occurrences: bool | None = None
    idf: Idf | None = None
    idf_curve: tuple[tuple[float, float, float], ...] = ()  # (N, n, value relative to n = 1)
    tf: Tf | None = None
    tf_curve: tuple[tuple[float, float], ...] = ()
    length_curve: tuple[tuple[float, float], ...] = ()
    among_hits: HitLengths = "equal"
    fits: tuple[Fit, ...] = ()
    query: QueryFit | None = None
    query_rows: tuple[tuple[str, float], ...] = ()
    empty: Empty = Empty(None, None)  # noqa: RUF009
    zero_k1: float | None = None
    zero_b: float | None = None
    hits: int | None = None
    tokens: tuple[Token, ...] = ()
    held_out: HeldOut | None = None
    kept: Kept | None = None  # of an earlier corpus

    @property
    def idf_seen(self) -> bool:
        """Whether the idf of a term in more than half of the documents was read: without it a floor does not show."""
        return any(2 * n > size for size, n, _ in self.idf_curve)

    @property
    def of_one_term(self) -> bool:
        """Whether all terms have equal scores, which a sum that is divided by the query's idfs has for one term too."""
        return self.idf is not None and self.idf.form.name == "none" and self.query is None

    @property
    def formula(self) -> Formula | None:
        """The simplest formula that all readings match."""
        return self.fits[0].formula if self.fits else None

    @property
    def whole(self) -> Formula | None:
        """The formula with what was measured about words in lengths, empty documents and settings of zero."""
        if self.formula is None:
            return None
        return replace(
            self.formula,
            kind=kind_counted(self.formula.kind, self.tokens),
            n_empty=self.empty.n_empty is not False,
            average_empty=self.empty.average_empty is not False,
            empty_tokens=self.empty.tokens,
            zero_k1=self.zero_k1,
            zero_b=self.zero_b,
        )

    @property
    def confirmed(self) -> bool:
        """Whether the whole formula predicts the scores of corpora that no fit has used."""
        return self.held_out is not None and self.held_out.matches and not self.coarse and self.kept is None

    @property
    def contradicted(self) -> bool:
        """Whether there is a formula, and scores of a corpus that no fit has used are others."""
        return self.held_out is not None and not self.held_out.matches and not self.coarse

    @property
    def coarse(self) -> bool:
        """Whether scores are rounded so coarsely that several formulas give them."""
        main = self.answers.scores("mixed")
        if main is None or not (hits := np.abs(main[np.nan_to_num(main) != 0])).size:
            return False
        middle = float(np.median(hits))
        return self.scale.precision.error(middle) > COARSE * middle


class Plan:
    """The inputs by name and their layouts; `anchored`: each query is also run together with the anchor's term."""

    def __init__(self, anchored: bool) -> None:
        layouts = {"mixed": mixed(), "long": long(), "small": small(), "empty": with_empty()}
        weights = layouts["long"].weight_terms()
        more = query.more_queries(layouts["mixed"])
        inputs: dict[str, tuple[str, str, Sequence[str]]] = {
            "mixed": ("mixed", "first", [*layouts["mixed"].terms(), *more]),
            "long": ("long", "first", layouts["long"].terms()),
            "small": ("small", "first", layouts["small"].terms()),
            "second": ("long", "second", weights),
            "k1 zero": ("long", "k1 zero", weights),
            "b zero": ("long", "b zero", weights),
            "empty": ("empty", "first", layouts["empty"].terms()),
        }
        self.probes = {
            name: probe(layouts[layout], setting, queries, anchored)
            for name, (layout, setting, queries) in inputs.items()
        }
        self.probes |= {"hits": collection.hits_probe(), "tokens": tokens.probe()}
        self.probes |= {"held out": heldout.probe(), "again": heldout.probe(), "changed": heldout.changed_probe()}
        self._layouts = {name: (layouts[layout], setting) for name, (layout, setting, _) in inputs.items()}

    def run(self, name: str, answers: Answers, scale: Scale) -> Run | None:
        """The scores of the input `name` with its layout; None where it was refused."""
        scores = answers.scores(name)
        if scores is None:
            return None
        layout, setting = self._layouts[name]
        return Run(Corpus(layout, scores, scale, self.probes[name].queries), setting)

    def scale(self, scores: Scores, rows: RowScaling = "none") -> Scale:
        """The scale of the main input's scores, of which `rows` was undone."""
        layout = self._layouts["mixed"][0]
        found = find_scale(layout, scores, self.probes["mixed"].queries, query.pairs(layout))
        if rows not in SPANS:
            return replace(found, rows=rows)
        return replace(found, rows=rows, best=float(np.nanmax(scores)) if rows == "min-max" else 1.0, squash="none")

    def lower_is_better(self, scores: Scores) -> bool:
        """Whether more occurrences of a term lower the main input's scores."""
        return lower_is_better(self._layouts["mixed"][0], scores, self.probes["mixed"].queries)

    def everywhere(self) -> dict[str, str]:
        """Probes and the query whose term all their documents have."""
        return {name: self._layouts[name][0].idf[len(self.probes[name].corpus)] for name in ("long", "small")}


def measure(target: Target, progress: Callable[[str], None] = lambda what: None) -> Measured:
    """Ask the target all probes in one call (in a second one where its scores need it), then fit each factor.

    Raises ValueError where the target answers no probe.
    """
    started = time.perf_counter()
    plan = Plan(anchored=False)
    progress(f"running {len(plan.probes)} inputs")
    answers = ask(target, plan.probes)
    if all(isinstance(one, Refusal) for one in answers.by_name.values()):
        raise ValueError(f"{target.name} answered none of {len(plan.probes)} inputs: {_refused(answers, 'mixed')}")
    answers = without_refused_queries(target, plan.probes, answers)
    main = answers.scores("mixed")
    if main is not None and np.nanmax(main) > np.nanmin(main) and _scaled_rows(plan, answers):
        progress("running again: the scores are divided by a number of the query")
        plan = Plan(anchored=True)
        answers = without_refused_queries(target, plan.probes, ask(target, plan.probes))
    progress("fitting")
    rows = undone(answers, plan.probes, plan.everywhere())
    with np.errstate(all="ignore"):  # forms are tried where they have no value, such as the logarithm of 0
        found = _analyse(answers, rows, plan, None)
        if not found.problem and not found.confirmed and main is not None:
            others = (_analyse(answers, rows, plan, one) for one in coarser(found.scale.precision, main.ravel()))
            found = next((one for one in others if one.confirmed), found)
        if found.of_one_term:
            progress("running again: the scores of one term have no idf")
            found = _of_means(target, found)
    found = replace(found, tokens=_tokens(answers), scale=_described(found, plan, main))
    return replace(found, seconds=time.perf_counter() - started)


def _scaled_rows(plan: Plan, answers: Answers) -> bool:
    """Whether the scores of a query are divided by their best one or by another number of the row."""
    rows, main = undone(answers, plan.probes, plan.everywhere()), answers.scores("mixed")
    return rows.scaling in SPANS or (main is not None and plan.scale(main).best is not None)


def _described(found: Measured, plan: Plan, main: Scores | None) -> Scale:
    """The scale; of negative scores without a formula, negated only where lower ones are of more occurrences."""
    if found.scale.sign > 0 or found.confirmed or main is None or plan.lower_is_better(main):
        return found.scale
    return replace(found.scale, sign=1.0)


def _analyse(given: Answers, rows: Undone, plan: Plan, precision: Precision | None) -> Measured:
    start = Measured(given, 0.0)
    if problem := _problem(given, given.scores("mixed")):
        return replace(start, problem=problem)
    answers = rows.answers
    main = answers.scores("mixed")
    assert main is not None
    scale = plan.scale(main, rows.scaling)
    scale = replace(scale, precision=precision or scale.precision, cut=collection.cut(given))
    runs = [run for name in ("mixed", "long", "small", "second") if (run := plan.run(name, answers, scale)) is not None]
    first = [run.corpus for run in runs if run.setting == "first"]
    occurrences = idf.counts_occurrences(first[0])
    known_idf = idf.fit(first, bool(occurrences))
    shape = combine.shape(runs, known_idf)
    takes = {"k1", "b"} <= set(answers.keywords)
    side = query.fit(first[0], known_idf)
    weighs_query = side is not None and side.side.repeat == query.BY_LENGTH
    fits = combine.fits(runs, known_idf, shape, takes, weighs_query) if shape else []
    fits = fits or combine.miswritten_fits(runs, known_idf, takes)
    if side is None and fits and fits[0].formula.unit_length:
        side = query.fit(first[0], known_idf, heldout.of_vectors(fits[0].formula, first[0].layout.docs))
    if side is None and fits and known_idf is not None and fits[0].formula.kind == PAIRS:
        side = query.fit(first[0], known_idf, measured=query.of_pairs(first[0], known_idf))
    found = replace(
        start,
        scale=scale,
        counts_occurrences=occurrences,
        idf=known_idf,
        idf_curve=_idf_curve(first),
        tf=shape.tfs[0] if shape else None,
        tf_curve=tuple(collection.tf_curve(runs[0])),
        length_curve=_length_curve(first[0]),
        among_hits=among_hits(first[0], *SETTINGS["first"]),
        fits=tuple(_with_absent(fit, side) for fit in fits),
        query=side,
        query_rows=tuple(
            (" ".join(Counter(row.match.query).elements()), row.reading.value) for row in query.rows(first[0])
        ),
    )
    return _collection(found, answers, plan)


def _of_means(target: Target, found: Measured) -> Measured:
    """With the idf and the query side of a second run, where each query's sum is divided by that of its idfs."""
    plan = Plan(anchored=True)
    answers = without_refused_queries(target, plan.probes, ask(target, plan.probes))
    anchored = replace(found.scale, best=1.0)  # the divisor cancels, as that of the best score does
    mixed, *others, empty = (plan.run(name, answers, anchored) for name in ("mixed", "long", "small", "empty"))
    if mixed is None or not found.fits:
        return found
    corpora = [run.corpus for run in (mixed, *others) if run is not None]
    occurrences = idf.counts_occurrences(mixed.corpus)
    known_idf = idf.fit(corpora, bool(occurrences))
    side = query.fit(mixed.corpus, known_idf) if known_idf else None
    if known_idf is None or side is None or known_idf.form.name == "none":
        return found
    fits = tuple(replace(fit, formula=replace(fit.formula, idf=known_idf)) for fit in found.fits)
    whole = replace(found, idf=known_idf, idf_curve=_idf_curve(corpora), counts_occurrences=occurrences, fits=fits)
    for mean in query.means_by_idf(side.side):
        one = _held_out(replace(whole, query=replace(side, side=mean)), fits[0].formula, answers)
        if one.confirmed:
            return one if empty is None else _with_empty(one, fits[0].formula, empty)
    return found


def _with_empty(found: Measured, formula: Formula, empty: Run) -> Measured:
    return replace(found, empty=collection.empty_documents(formula, empty.corpus))


def _problem(answers: Answers, main: Scores | None) -> str:
    """Why the scores cannot be those of a formula of the query and the documents; empty where they may be."""
    if main is None:
        return f"the main input was refused: {_refused(answers, 'mixed')}"
    main = main[np.isfinite(main).all(axis=1)]
    if not main.any():
        return "all scores are zero"
    if np.abs(main).max() < NOISE:
        return f"all scores are below {NOISE:g}: noise"
    if ranks.are_ranks(main):
        return "the scores are ranks, or numbers of documents: a query's scores, or their reciprocals, are one apart"
    if np.ptp(main) == 0:
        return f"all scores are {main.flat[0]:g}"
    if len(different := np.unique(main[main != 0])) == 1:
        return f"every hit has the score {different[0]:g}"
    one, two = answers.scores("held out"), answers.scores("again")
    if one is not None and two is not None and not np.allclose(one, two, rtol=1e-5, atol=1e-9, equal_nan=True):
        return "not deterministic: the same input twice has different scores"
    return ""


def _refused(answers: Answers, name: str) -> str:
    answer = answers.by_name[name]
    return answer.message if isinstance(answer, Refusal) else ""


def _with_absent(fit: Fit, side: QueryFit | None) -> Fit:
    absent = side is not None and side.absent is not None and abs(side.absent.value) > 5 * side.absent.error
    return replace(fit, formula=replace(fit.formula, absent=absent))


def _collection(found: Measured, answers: Answers, plan: Plan) -> Measured:
    """Add what the remaining inputs show: hits, empty documents, settings of zero, the held-out corpus."""
    returned = None if answers.scores("hits") is None else found.scale.cut or collection.HITS
    found = replace(found, hits=returned)
    formula = found.formula
    if formula is None:
        return found
    empty = plan.run("empty", answers, found.scale)
    if empty is not None:
        seen = collection.empty_documents(formula, empty.corpus)
        found = replace(found, empty=replace(seen, n_empty=None) if found.of_one_term else seen)  # without idf, no N
    zero_k1, zero_b = (plan.run(name, answers, found.scale) for name in ("k1 zero", "b zero"))
    if zero_k1 is not None and formula.k1 is None:
        found = replace(found, zero_k1=collection.zero_setting(formula, zero_k1, DEFAULTS))
    if zero_b is not None and formula.b is None:
        found = replace(found, zero_b=collection.zero_setting(formula, zero_b, DEFAULTS))
    return _held_out(found, formula, answers)


def _held_out(found: Measured, formula: Formula, answers: Answers) -> Measured:
    """Add whether the formula gives the scores of the held-out corpus, and of a later one of as many documents."""
    held, changed = answers.scores("held out"), answers.scores("changed")
    if held is None or found.query is None or formula.idf is None:
        return found
    cut = found.hits is not None and found.hits < collection.HITS
    compare = partial(heldout.compare, side=found.query.side, scale=found.scale, cut=cut)
    first, second = heldout.probe(), heldout.changed_probe()
    before = compare(formula, scores=held, inputs=first)
    found = replace(found, held_out=before)
    if changed is None or not before.matches:
        return found
    after = compare(formula, scores=changed, inputs=second)
    if after.matches:
        return found
    lengths = formula.doc_lengths([text.split() for text in first.corpus], first.k1, first.b)
    of_average = compare(replace(formula, average=lengths.average), scores=changed, inputs=second).matches
    return replace(found, kept=Kept(after, of_average))


def _idf_curve(corpora: Sequence[Corpus]) -> tuple[tuple[float, float, float], ...]:
    rows = []
    for corpus in corpora:
        points = idf.curve(corpus)
        if 1 in points and points[1].value:
            size = float(len(corpus.layout.docs))
            rows += [(size, float(n), one.value / points[1].value) for n, one in points.items()]
    return tuple(rows)


def _length_curve(corpus: Corpus) -> tuple[tuple[float, float], ...]:
    """Document lengths and scores of one occurrence, relative to that of one token."""
    rows = []
    for document, terms in corpus.layout.lengths:
        reading = corpus.read(terms[1], document)
        if reading is not None:
            rows.append((float(len(corpus.layout.docs[document])), reading.value))
    return tuple((length, value / rows[0][1]) for length, value in rows) if rows and rows[0][1] else ()


def _tokens(answers: Answers) -> tuple[Token, ...]:
    """What the tokenisation probes show; nothing where all were refused, or documents that match may have NaN.

    Where a term that no document has is refused, so is a written form that is no term.
    """
    scores = answers.scores("tokens")
    if scores is None or answers.nan.related:
        return ()
    return tuple(tokens.read(np.nan_to_num(scores) if query.UNKNOWN in answers.refused else scores))
