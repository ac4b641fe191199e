"""Text that an implementation adds before or after each text: published prompts, and others by their tokens."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis import tokenizing
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all, change, compatible
from refimpl.diagnosis.pooling import POOLING, EmbeddingVariant
from refimpl.diagnosis.prompt_solver import Given, Ids, Pool, PromptSolver
from refimpl.diagnosis.structure.families import structural
from refimpl.diagnosis.tokenizing import VariedTokenizer, varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST
from refimpl.diagnosis.weighted_pooling import mean_of_words_after, mean_without_prompt
from refimpl.identify.reference import PREFIXES

WORK = 3e11  # floating-point operations, some twelve seconds on one core
MOST_COMPUTED = 28_000  # tokens of forward passes
SINGLE = 0.5  # work of an operation in float32, in those in float64
LEAST = 0.05  # squared distance by which a prefix changes a short text's unit vector
HOPELESS = 0.9, 3000  # distance that no prefix is at after so many tokens of forward passes
STALLED = 6000  # tokens of forward passes without a nearer sequence: those of a right prefix come within 3,000
NEAR = 1e-3  # distance of a right prefix where there is another, small deviation
MOST_TOKENS = 8  # of the text, special tokens included
COMMON = (
    "a the of and to in is are for with it that this : ; , . - _ / > < = | ( ) [ ] ' \" ! ? * #"
    " your my our text texts input user question answer sentence document context title topic"
)
Pooled = Callable[[int], Pool]
"""Takes the number of a text's own tokens."""


def prompt(before: str, after: str) -> Hypothesis:
    """The hypothesis that `before` and `after` surround each text."""
    parts = ([f"prefix {before!r}"] if before else []) + ([f"suffix {after!r}"] if after else [])
    return Hypothesis(
        " and ".join(parts),
        "each text is preceded or followed by words that this model was not trained with",
        change(EmbeddingVariant, prefix=before, suffix=after),
        remedy="leave it out",
    )


def reserved(before: str, after: str, ids: Ids, split: int, special: Ids) -> Hypothesis:
    """The hypothesis that the tokens of a prompt surround each text after truncation, which leaves room for them."""
    apply = tokenizing.surrounded((special[0], *ids[:split]), (*ids[split:], special[1]))
    named = prompt(before, f" {after.rstrip()}")
    changed = change(EmbeddingVariant, tokenizer_changes=(apply,))
    explanation = f"{named.explanation}; truncation leaves room for them"
    return Hypothesis(f"{named.name}, not truncated", explanation, changed, remedy=named.remedy)


AfterPrompt = Callable[[int], Hypothesis]
WITHOUT_PROMPT: Sequence[tuple[Pooled, AfterPrompt]] = (
    (lambda words: lambda states: states[:, -words - 1 :].mean(axis=1), mean_without_prompt),
    (lambda words: lambda states: states[:, -words - 1 : -1].mean(axis=1), mean_of_words_after),
)
"""Means that leave out a prompt: of token states before one is known, and as a hypothesis by its tokens and [CLS]."""


class PromptSearch:
    """Finds the prefix or suffix of vectors: a published one with any usual pooling, others with that of the base."""

    special: Ids = ()

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem
        self.tried = 0
        """The number of sequences of tokens that were compared with a text's vector."""

    def __call__(self, bases: Sequence[Combination], unexplained: Sequence[int]) -> list[Combination]:
        """Bases with the prefix or suffix of the shortest unexplained text; `[]` for one that looks otherwise."""
        if not structural(self.problem.encoder.published.config):
            return []
        tokenizer = varied_tokenizer(self.problem.encoder.folder, self.problem.encoder.max_length, (), LONGEST_FIRST)
        special = tuple(map(int, tokenizer([""]).input_ids))
        lengths = self.problem.encoder.tokens(EmbeddingVariant()).lengths
        rows = sorted(unexplained, key=lambda row: int(lengths[row]))
        self.special = special
        if len(special) != 2 or not 2 <= lengths[rows[0]] <= MOST_TOKENS:
            return []
        published = [ids for text in PREFIXES if (ids := tuple(map(int, tokenizer([text]).input_ids))[1:-1])]
        solver = self._solver(tokenizer, bases[0], self._given(bases[0], rows[0]), published)
        if float(solver.distances([()])[0]) < LEAST:
            return []
        distance, ids = _nearest(solver.distances(published), published)
        if distance <= NEAR:
            return self._spelled(tokenizer, bases[0], ids, rows)
        if found := self._otherwise_pooled(tokenizer, bases[0], rows, published):
            return found
        distance, ids = self._solved(solver, published)
        self.tried += solver.compared
        self.problem.states.work += self._work(max(0, solver.tokens - HOPELESS[1]))
        return self._spelled(tokenizer, bases[0], ids, rows) if distance <= NEAR else []

    def _otherwise_pooled(
        self, tokenizer: VariedTokenizer, base: Combination, rows: Sequence[int], published: Sequence[Ids]
    ) -> list[Combination]:
        """The published prompt with a usual pooling, or a mean without the prompt, by the shortest text with words."""
        lengths = self.problem.encoder.tokens(EmbeddingVariant()).lengths
        row = next((row for row in rows if 2 < lengths[row] <= MOST_TOKENS), rows[0])  # of an empty one many are equal
        usual = [each for each in POOLING if not each.cost and all(compatible(each, one) for one in base)]
        if not usual:
            return []
        pools = [(self._pool((*base, each)), _always(each)) for each in usual]
        if words := int(lengths[row]) - 2:
            pools += [(pool(words), after) for pool, after in WITHOUT_PROMPT]
        solver = self._solver(tokenizer, base, self._given(base, row), published)
        table = solver.distances_of([pool for pool, _ in pools], published)
        for distances, (_, named) in zip(table, pools, strict=True):
            distance, ids = _nearest(distances, published)
            if distance <= NEAR:
                return self._spelled(tokenizer, (*base, named(1 + len(ids))), ids, rows)
        self.tried += solver.compared
        return []

    def ruled_out(self) -> tuple[str, ...]:
        """A sentence about the sequences of tokens that were tried; `()` where none was."""
        if not self.tried:
            return ()
        return (f"no prefix or suffix of {self.tried:,} explains it: published prompts, and tokens solved for",)

    def _given(self, base: Combination, row: int) -> Given:
        tokens = self.problem.encoder.tokens(apply_all(EmbeddingVariant(), base))
        ids = tokens.select(np.array([row])).input_ids
        vector = self.problem.actual[row] / np.maximum(np.linalg.norm(self.problem.actual[row]), 1e-300)
        return Given(vector.astype(np.float32), self.special[:1], tuple(map(int, ids[1:])), self._pool(base))

    def _pool(self, combination: Combination) -> Pool:
        """The pooling of the combination, of states without padding."""
        variant = apply_all(EmbeddingVariant(), combination)
        weights = self.problem.encoder.weights(variant)
        return lambda states: variant.pool(states, np.ones(states.shape[:2], dtype=bool), weights)

    def _solver(
        self, tokenizer: VariedTokenizer, base: Combination, given: Given, published: Sequence[Ids]
    ) -> PromptSolver:
        weights = self.problem.states.single_weights(apply_all(EmbeddingVariant(), base))
        usual = {token for ids in published for token in ids} | set(map(int, tokenizer([COMMON]).input_ids[1:-1]))
        pieces = [tokenizer.piece(i) for i in range(weights.config.vocab_size)]
        excluded = [i for i, piece in enumerate(pieces) if len(piece) > 2 and piece[0] == "[" and piece[-1] == "]"]
        return PromptSolver(weights, given, sorted(usual), excluded)

    def _solved(self, solver: PromptSolver, published: Sequence[Ids]) -> tuple[float, Ids]:
        best: tuple[float, Ids] = (np.inf, ())
        begun = nearer = solver.tokens
        for found in solver.search(ids for ids in published if len(ids) <= MOST_TOKENS):
            best, nearer = (found, solver.tokens) if found < best else (best, nearer)
            ended = solver.tokens > MOST_COMPUTED or self._work(solver.tokens) > WORK
            hopeless = solver.tokens - begun > HOPELESS[1] and best[0] > HOPELESS[0]
            if ended or hopeless or solver.tokens - nearer > STALLED:
                break
        return best

    def _work(self, tokens: int) -> float:
        config = self.problem.encoder.published.config
        per_token = 8 * config.hidden_size**2 + 4 * config.hidden_size * config.intermediate_size
        return SINGLE * float(tokens * config.num_hidden_layers * per_token)

    def _spelled(
        self, tokenizer: VariedTokenizer, base: Combination, ids: Ids, rows: Sequence[int]
    ) -> list[Combination]:
        """The combinations that give the second shortest text its vector; else the nearest one.

        Of an empty text the vector shows no place: tokens are before or after it.
        """
        found = [
            combination
            for split in range(len(ids), -1, -1)
            for combination in self._spellings_of(tokenizer, base, ids, split)
        ]
        trials = [self.problem.trial(each, rows[:2]) for each in found]
        trials.sort(key=lambda trial: float(trial.squares.sum()))
        exact = [trial.combination for trial in trials if trial.explained.all()]
        return exact or [trial.combination for trial in trials[:1]]

    def _spellings_of(
        self, tokenizer: VariedTokenizer, base: Combination, ids: Ids, split: int = 0
    ) -> Iterator[Combination]:
        """The base with the words of ids before, as far as `split`, and after a text: truncated with it, or not."""
        before, after = spelling(tokenizer, ids[:split]), spelling(tokenizer, ids[split:])
        if before is None or after is None:
            return
        yield (*base, prompt(before, f" {after.rstrip()}" if after else ""))
        if after:
            yield (*base, reserved(before, after, ids, split, self.special))


def _always(hypothesis: Hypothesis) -> AfterPrompt:
    """The hypothesis, however long the prompt is."""
    return lambda tokens: hypothesis


def _nearest(distances: Array, published: Sequence[Ids]) -> tuple[float, Ids]:
    """The published prompt of the smallest distance."""
    found = min(zip(distances, published, strict=True))
    return float(found[0]), found[1]


def spelling(tokenizer: VariedTokenizer, ids: Ids) -> str | None:
    """A text of these tokens, with a space at the end: a published prompt, or the shortest one; None without one."""
    return next((text for text in _spellings(tokenizer, ids) if tuple(tokenizer([text]).input_ids[1:-1]) == ids), None)


def _spellings(tokenizer: VariedTokenizer, ids: Ids) -> Iterator[str]:
    if not ids:
        yield ""
    yield from PREFIXES
    spaced = " ".join(tokenizer.piece(token) for token in ids).replace(" ##", "")
    joined = spaced
    for mark in ":;,.!?)]":
        joined = joined.replace(f" {mark}", mark)
    for mark in "_-/'":
        joined = joined.replace(f" {mark} ", mark)
    yield f"{joined} "
    yield f"{spaced} "
