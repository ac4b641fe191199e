"""The search for the causes of mismatching sentence vectors, text by text.

Every hypothesis is tried on a few texts, first of all on texts that match, which no right cause changes. The best are
repeated on all texts. Where a cause leaves texts unexplained, the search goes on with those, with and without it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from refimpl.diagnosis.embedding_problem import EmbeddingProblem, Trial
from refimpl.diagnosis.explanation import Explanation, Group
from refimpl.diagnosis.hints import FIRST_ROWS, ON_ALL, hints
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, compatible

NEAREST = 3  # single hypotheses of the smallest errors, which are paired with all others first
WORK = 2.4e11  # floating-point operations of all trials, some ten seconds on one core
MOST_GROUPS = 5
PROBES = 2
MOST_KEPT = 0.5  # matching texts for each other one, of a cause that changes every text: few texts are empty
BEST_ROUNDINGS = 2
BEST_SINGLES = 12  # single hypotheses that costly ones are paired with
EXTENDED = 2  # combinations at a time that are extended by one hypothesis after another
MOST_TOGETHER = 4  # hypotheses of one that is
PADDED_TO = 128  # in all-MiniLM-L6-v2's tokenizer.json
HALF = 0.5  # largest share of the squared error that a hypothesis may leave, to be extended
SMALLER = 0.25  # largest share of the squared error that an extension may leave
UNCLEAR = 0.25  # largest share of the squared difference that a cause may leave in texts that it explains
MOST_EXPLAINED = 0.75  # texts within the tolerance, where the rest is near enough to be rounding
ROUNDED = 4  # times the tolerance that rounding reaches where a large difference amplifies it
LARGE = 1000  # times the tolerance of such a difference
LEAST_EXPLAINED = 0.25  # texts that a cause explains at least which changes every text
TOKEN_FIELDS = {
    *("tokenizer_changes", "text_changes", "unknown_words", "id_changes"),
    *("max_length", "truncation", "prefix", "suffix"),
}

Select = Callable[[Sequence[int]], list[int]]
"""Takes texts; returns a few, which together show as many of the hypotheses as possible, shortest first."""
Refine = Callable[[Combination, Sequence[int], Sequence[int]], Iterable[Combination]]
"""Takes a base, texts that it explains and texts that it does not; returns combinations to try before the listed."""
Enumerate = Callable[[Sequence[Combination], Sequence[int]], Iterable[Combination]]
"""Takes bases and texts that none explains; returns combinations to try where no single hypothesis explains a text."""


@dataclass
class TextSearch:
    """One search: the problem, the texts that mismatch and match, and what is known about every output.

    Parameters
    ----------
    problem
        The vectors and the reference.
    mismatching, matching
        The texts to explain, and those that must stay as they are, each shortest first.
    bases
        Combinations, one of which is part of every cause, such as a measured normalisation; `()` for none.
    select, refine
        See `Select` and `Refine`.
    solved
        What is tried after the listed hypotheses of cost 0, 1 and so on, where none explains a text: each an
        `Enumerate` of causes that change every text.
    settled
        Takes bases and all mismatching texts, where no single hypothesis explains one; returns whether something else
        explains them, so that the search ends.
    work
        The limit, in floating-point operations.
    """

    problem: EmbeddingProblem
    mismatching: Sequence[int]
    matching: Sequence[int]
    bases: Sequence[Combination]
    select: Select
    refine: Refine
    solved: Sequence[Enumerate]
    settled: Callable[[Sequence[Combination], Sequence[int]], bool]
    work: float = field(default_factory=lambda: WORK)
    untried: str = ""

    def __post_init__(self) -> None:
        self.work += self.problem.states.work  # without that of the reference

    def run(self) -> Explanation:
        """Find groups of texts with one cause each, until all are explained or nothing more is found."""
        groups: list[Group] = []
        remaining = list(self.mismatching)
        context: Combination = ()
        tried: list[Trial] = []
        while remaining and len(groups) < MOST_GROUPS:
            explained = [row for group in groups if group.combination == context for row in group.rows]
            bases = [context] if context else list(self.bases)
            tried = self._tried(bases, remaining, [*self.matching, *explained])
            found = self._best(tried, remaining)
            if not found:
                break
            whole = self._whole([trial.combination for trial in found])
            if whole:
                others = tuple(trial.combination for trial in whole[1:])
                return Explanation((_group(whole[0], set(self.mismatching)),), others, (), (), self.untried)
            best = found[0]
            group = _group(best, set(remaining))
            if groups and not self._mostly_explained(group, context, remaining):
                break
            groups.append(group)
            remaining = [row for row in remaining if row not in groups[-1].rows]
            context = context or best.combination
        if len(groups) > 1 and not remaining and (together := self._together(groups)) is not None:
            return Explanation((together,), (), (), (), self.untried)
        nearest = hints(self.problem, tried, context, remaining, self.matching) if remaining else ()
        groups.sort(key=lambda group: -len(group.rows))
        return Explanation(tuple(groups), (), tuple(remaining), nearest, self.untried)

    def _mostly_explained(self, group: Group, context: Combination, remaining: Sequence[int]) -> bool:
        """Whether the group is most of the remaining texts that its combination changes beside that of `context`."""
        before, after = (self.problem.trial(each, remaining).squares for each in (context, group.combination))
        return 2 * len(group.rows) >= int(np.sum(~np.isclose(before, after, rtol=1e-6, atol=0.0)))

    def _together(self, groups: Sequence[Group]) -> Group | None:
        """The hypotheses of all groups at once, where they explain every text: one implementation has them all."""
        every = tuple(dict.fromkeys(each for group in groups for each in group.combination))
        if not all(compatible(one, other) for one, other in combinations(every, 2)):
            return None
        whole = self._whole([every])
        return _group(whole[0], set(self.mismatching)) if whole else None

    def _tried(self, bases: Sequence[Combination], remaining: Sequence[int], kept: Sequence[int]) -> list[Trial]:
        """Trials on a few of the remaining texts, best first: single hypotheses; pairs where none explains a text."""
        few, probes = self.select(remaining), list(kept[:PROBES])
        alone = (self._try(base, (), few, probes) for base in bases)
        trials = [trial for trial in alone if trial is not None]
        trials += self._refined(bases, remaining, kept)
        if any(trial.explained.all() for trial in trials):
            return sorted(trials, key=_order)
        everywhere, solved = len(kept) <= MOST_KEPT * len(remaining), list[Trial]()
        for cost in range(3):
            listed = [each for each in self.problem.searched if _cost(each, bases) == cost]
            new = [
                self._try(base, (each,), few[-1:] if each.cost else few, probes) for base in bases for each in listed
            ]
            trials += [trial for trial in new if trial is not None]
            if cost == 1 and not any(trial.count for trial in trials):
                trials += self._extended(trials, few, probes)  # cheaper than what follows
            if any(trial.explained.all() for trial in [*trials, *solved]):
                break
            if everywhere and not any(trial.count for trial in [*trials, *solved]) and cost < len(self.solved):
                solved += self._possible(self.solved[cost](bases, remaining), few, kept)
        trials += solved
        if solved and not any(trial.count for trial in trials) and any(each is _nearest(trials) for each in solved):
            trials += self._extended(trials, few, probes)
        if not any(trial.count for trial in trials) and len(remaining) == len(self.mismatching):
            trials += self._rounded(trials, few, probes)
            if not any(trial.count for trial in trials) and self.settled(bases, remaining):
                return []
        trials.sort(key=_order)
        if not any(trial.count for trial in trials):
            trials = sorted([*trials, *self._pairs(trials, few, probes)], key=_order)
        return trials

    def _extended(self, singles: Sequence[Trial], few: Sequence[int], probes: Sequence[int]) -> list[Trial]:
        """The nearest single hypotheses, each with a second, a third and a fourth one, as long as errors shrink.

        One short text decides; what explains it is tried on all `few`.
        """
        cheap = [each for each in singles if each.combination and not _costly(each.combination)]
        order = sorted((each for each in cheap if np.isfinite(each.squares).all()), key=lambda t: t.squares.sum())
        row = [next((row for row in few if len(self.problem.encoder.firsts[row]) > 1), few[0])]
        before = float(self.problem.trial((), row).squares.sum())
        beam = [self.problem.trial(each.combination, row) for each in order[:EXTENDED]]
        for largest in (HALF, *[SMALLER] * (MOST_TOGETHER - 2)):
            beam = [each for each in beam if each.squares.sum() <= largest * before]
            new = [self._try_pair(each.combination, one.combination, row, probes) for each in beam for one in order]
            longer = sorted((each for each in new if each is not None), key=_order)
            if not longer:
                return []
            if longer[0].count:
                found = [self._needed(each.combination, row) for each in longer[:ON_ALL] if each.count]
                return [self.problem.trial(each, few) for each in dict.fromkeys(found)]
            before = min(float(each.squares.sum()) for each in beam)
            beam = sorted(longer, key=lambda each: float(each.squares.sum()))[:EXTENDED]
        return []

    def _needed(self, combination: Combination, row: Sequence[int]) -> Combination:
        """The combination without what explains the text as well when it is left out."""
        for each in combination:
            rest = tuple(one for one in combination if one is not each)
            if rest and self.problem.trial(rest, row).count:
                return self._needed(rest, row)
        return combination

    def _rounded(self, singles: Sequence[Trial], few: Sequence[int], probes: Sequence[int]) -> list[Trial]:
        """The best roundings of weights, each with every other hypothesis: an arithmetic has similar errors."""
        cheap = [trial.combination for trial in sorted(singles, key=_order) if not _costly(trial.combination)]
        rounding = [each for each in cheap if any("rounding" in one.apply.values for one in each)][:BEST_ROUNDINGS]
        pairs = [self._try_pair(one, other, few, probes) for one in rounding for other in cheap]
        return [trial for trial in pairs if trial is not None]

    def _refined(self, bases: Sequence[Combination], remaining: Sequence[int], kept: Sequence[int]) -> list[Trial]:
        found = (self._effective(each) for base in bases for each in self.refine(base, kept, remaining))
        return self._possible(found, remaining, kept)

    def _effective(self, combination: Combination) -> Combination:
        """The combination without what changes no token of any text beside the rest of it."""
        for each in combination:
            rest = tuple(one for one in combination if one is not each)
            if rest and _of_tokens(each) and self.problem.same_tokens(rest, combination):
                return self._effective(rest)
        return combination

    def _possible(self, found: Iterable[Combination], rows: Sequence[int], kept: Sequence[int]) -> list[Trial]:
        """Trials of combinations that were solved for, so that they are few, and tried whatever work was done."""
        probes = list(kept[:PROBES])
        possible = [each for each in found if not probes or self.problem.trial(each, probes).explained.all()]
        return [self.problem.trial(each, rows) for each in possible]

    def _try(self, base: Combination, more: Combination, few: Sequence[int], probes: Sequence[int]) -> Trial | None:
        """The trial on `few`; None for a combination that changes a probe, that is impossible, or beyond the limit."""
        combination = (*base, *more)
        if not all(compatible(one, other) for one, other in combinations(combination, 2)):
            return None
        if self._spent("hypotheses"):
            return None
        if probes and not self.problem.trial(combination, probes).explained.all():
            return None
        return self.problem.trial(combination, few)

    def _pairs(self, singles: Sequence[Trial], few: Sequence[int], probes: Sequence[int]) -> list[Trial]:
        """Pairs on a few texts, best single ones first, up to the first that explain a text; costly ones at the end."""
        finite = [trial for trial in singles if trial.combination and np.isfinite(trial.squares).all()]
        errors = {trial.combination: float(trial.squares.mean()) for trial in finite}
        ranked = [trial.combination for trial in finite]
        cheap = [each for each in ranked if not _costly(each)]
        costly = [
            [(first, second) for second in ranked if _costly(first) or _costly(second)]
            for first in ranked[:BEST_SINGLES]
        ]
        by_error = sorted(ranked, key=lambda each: errors[each])
        near = [[(first, second) for second in ranked] for first in by_error[:NEAREST]]
        stages = [*near, *([(first, second) for first in cheap[:n]] for n, second in enumerate(cheap)), *costly]
        trials: list[Trial] = []
        seen = set[frozenset[Hypothesis]]()
        for stage in stages:
            pairs = {names: pair for pair in stage if (names := frozenset((*pair[0], *pair[1]))) not in seen}
            seen |= pairs.keys()
            new = [self._try_pair(*pair, few, probes) for pair in pairs.values()]
            trials += [trial for trial in new if trial is not None]
            if any(trial is not None and trial.count for trial in new) or self.untried:
                break
        return trials

    def _try_pair(
        self, first: Combination, second: Combination, few: Sequence[int], probes: Sequence[int]
    ) -> Trial | None:
        more = tuple(each for each in second if each not in first)
        if _retokenizes(first) and _retokenizes(more):  # either shows alone in some text, and the other in the rest
            return None
        if not more or self._spent("pairs"):
            return None
        return self._try(first, more, few[-1:] if _costly((*first, *more)) else few, probes)

    def _spent(self, untried: str) -> bool:
        """Whether the limit of work is reached, so that what follows is left untried."""
        if self.problem.states.work <= self.work:
            return False
        if self.untried != "hypotheses":
            self.untried = untried
        return True

    def _best(self, tried: Sequence[Trial], remaining: Sequence[int]) -> list[Trial]:
        """The trial on all texts that explains most of the remaining ones; followed by others that explain all.

        Empty where none explains a text without changing a matching one.
        """
        different = {frozenset(trial.combination): trial.combination for trial in reversed(tried) if trial.count}
        candidates = list(reversed(different.values()))
        first = list(remaining[:FIRST_ROWS])
        ranked = sorted((self.problem.trial(each, first) for each in candidates), key=_order)
        rows = [*remaining, *self.matching]
        valid: list[Trial] = []
        for trial in ranked[:ON_ALL]:
            if valid and trial.count < ranked[0].count:
                break
            whole = self._completed(self.problem.trial(trial.combination, rows))
            if whole.explained[len(remaining) :].all() and self._convincing(whole, len(remaining)):
                valid.append(whole)
        valid.sort(key=_order)
        return [each for each in valid if each.explained.all()] or valid[:1]

    def _completed(self, whole: Trial) -> Trial:
        """The trial with all texts explained, where most are, and the rest but for rounding of a large difference."""
        nearly = whole.residuals <= ROUNDED * self.problem.tolerance
        if whole.explained.all() or not nearly.all() or whole.explained.mean() < MOST_EXPLAINED:
            return whole
        before = self.problem.trial((), whole.rows[~whole.explained].tolist())
        large = bool((before.residuals >= LARGE * self.problem.tolerance).all())
        return replace(whole, explained=np.ones_like(whole.explained)) if large else whole

    def _convincing(self, whole: Trial, remaining: int) -> bool:
        """Whether the trial explains some of the first `remaining` texts clearly; a structural fault, most of them.

        Of thousands of changes some bring a small difference below a large tolerance by chance; a structural fault
        affects every text, as a pooling does, which coincides with others on short texts. That each value is one of a
        stored format is evidence by itself.
        """
        explained = np.flatnonzero(whole.explained[:remaining])
        listed = tuple(each for each in whole.combination if not _enumerated(each))
        structural = len(listed) < len(whole.combination)
        least = 0.5 if structural else 0.0 if any(map(_of_tokens, whole.combination)) else LEAST_EXPLAINED
        if not len(explained) or len(explained) < least * remaining:
            return False
        if any("store" in each.apply.values for each in whole.combination):
            return True
        before = self.problem.trial(listed if structural else (), [int(row) for row in whole.rows[explained]])
        return bool(whole.squares[explained].sum() <= UNCLEAR * before.squares.sum())

    def _whole(self, combinations: Sequence[Combination]) -> list[Trial]:
        """The trials on all texts of the combinations that explain all of them."""
        rows = [*self.mismatching, *self.matching]
        trials = [self._completed(self.problem.trial(each, rows)) for each in combinations]
        return [trial for trial in trials if trial.explained.all()]


def _cost(hypothesis: Hypothesis, bases: Sequence[Combination]) -> int:
    """Its own; 0 for padding to the length that a base truncates at, or that tokenizer.json pads to."""
    lengths = {each.apply.values.get("max_length") for base in bases for each in base} - {None}
    return 0 if hypothesis.apply.values.get("padded_to") in {*lengths, PADDED_TO} else hypothesis.cost


def _nearest(trials: Sequence[Trial]) -> Trial:
    return min(trials, key=lambda trial: float(trial.squares.mean()))


def _enumerated(hypothesis: Hypothesis) -> bool:
    return "faults" in hypothesis.apply.values and not hypothesis.cost


def _of_tokens(hypothesis: Hypothesis) -> bool:
    return bool(hypothesis.apply.values.keys() & TOKEN_FIELDS)


def _retokenizes(combination: Combination) -> bool:
    return any("tokenizer_changes" in hypothesis.apply.values for hypothesis in combination)


def _costly(combination: Combination) -> bool:
    return any(hypothesis.cost for hypothesis in combination)


def _order(trial: Trial) -> tuple[int, int, int, float]:
    return trial.order


def _group(trial: Trial, rows: set[int]) -> Group:
    """The rows that the trial explains, among `rows`."""
    taken = [i for i, row in enumerate(trial.rows) if trial.explained[i] and int(row) in rows]
    residual = float(trial.residuals[taken].max(initial=0.0))
    return Group(trial.combination, tuple(int(trial.rows[i]) for i in taken), residual)
