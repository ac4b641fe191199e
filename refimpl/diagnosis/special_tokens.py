"""The special tokens around every text, solved for from the vector of a text of at most one token."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

import numpy as np

from refimpl.common.types import Array
from refimpl.diagnosis import tokenizing
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant
from refimpl.diagnosis.prompt_solver import Given, Ids, PromptSolver
from refimpl.diagnosis.structure.families import structural
from refimpl.diagnosis.token_hypotheses import tokenized
from refimpl.diagnosis.tokenizing import varied_tokenizer
from refimpl.diagnosis.truncating import LONGEST_FIRST

OTHER_MODELS = (0, 1, 2, 3)  # ids of <s>, </s>, <pad> and <unk> in vocabularies of other models
NAMED = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
UNUSED = re.compile(r"\[unused\d+\]")
NEAR = 1e-3  # squared distance of right tokens where there is another, small deviation
MOST_COMPUTED = 3000  # tokens of forward passes beside the usual sequences
LONGEST = 4  # tokens before and after a text together
SINGLE = 0.5  # work of an operation in float32, in those in float64


@cache
def surrounded(before: Ids, after: Ids, names: tuple[str, ...]) -> Hypothesis:
    """The hypothesis that each text has other special tokens, `names` of all ids; one object per ids."""
    named = [f"{name} ({token})" for name, token in zip(names, (*before, *after), strict=True)]
    parts = [" ".join(named[: len(before)]) or "none", " ".join(named[len(before) :]) or "none"]
    return tokenized(
        f"special tokens {parts[0]} before and {parts[1]} after",
        "the ids around each text are others than the model's; truncation leaves room for them",
        tokenizing.surrounded(before, after),
    )


class SpecialTokenSearch:
    """Finds the special tokens of vectors whose other tokens are the model's."""

    def __init__(self, problem: EmbeddingProblem) -> None:
        self.problem = problem

    def __call__(self, bases: Sequence[Combination], unexplained: Sequence[int]) -> Iterator[Combination]:
        """The first base with other special tokens, if they give the shortest texts their vectors."""
        encoder = self.problem.encoder
        tokenizer = varied_tokenizer(encoder.folder, encoder.max_length, (), LONGEST_FIRST)
        model = tuple(map(int, tokenizer([""]).input_ids))
        lengths = encoder.tokens(EmbeddingVariant()).lengths
        first = min(unexplained, key=lambda row: int(lengths[row]))
        if len(model) != 2 or not 2 <= lengths[first] <= 3 or not structural(encoder.published.config):
            return
        longer = sorted(
            (row for row in unexplained if lengths[row] > lengths[first]), key=lambda row: int(lengths[row])
        )
        rows = [first, *longer[:1]]  # of an empty text alone, ids are before or after it
        text = tuple(map(int, encoder.tokens(EmbeddingVariant()).select(np.array([first])).input_ids[1:-1]))
        pieces = [tokenizer.piece(token) for token in range(encoder.published.config.vocab_size)]
        special = [token for token, piece in enumerate(pieces) if token in OTHER_MODELS or piece in NAMED]
        unlike_words = {token for token, piece in enumerate(pieces) if UNUSED.fullmatch(piece)} | {*special}
        for before, after in dict.fromkeys(self._solved(bases[0], text, first, special)):
            if not {*before, *after} <= unlike_words or (before, after) == (model[:1], model[1:]):
                continue  # words around the text, which `PromptSearch` finds
            names = tuple(pieces[token] for token in (*before, *after))
            combination = (*bases[0], surrounded(before, after, names))
            if self.problem.trial(combination, rows).count == len(rows):
                yield combination

    def _solved(self, base: Combination, text: Ids, row: int, special: Sequence[int]) -> Iterator[tuple[Ids, Ids]]:
        """The ids before and after the text: usual ones, else any; none where no ids give the vector."""
        encoder = self.problem.encoder
        variant = apply_all(EmbeddingVariant(), base)
        weights = encoder.weights(variant)
        vector = self.problem.actual[row] / np.maximum(np.linalg.norm(self.problem.actual[row]), 1e-300)

        def pool(states: Array) -> Array:
            return variant.pool(states, np.ones(states.shape[:2], dtype=bool), weights)

        solver = PromptSolver(
            self.problem.states.single_weights(variant), Given(vector.astype(np.float32), (), (), pool), special, []
        )
        usual = [(*before, *text, *after) for before, after in _usual(special) if before or after or text]
        distances = solver.distances(usual)
        order = np.argsort(distances, kind="stable")
        found = [usual[i] for i in order if distances[i] <= NEAR]
        if not found:
            begun = solver.tokens
            for distance, ids in solver.search([usual[i] for i in order[:8]]):
                found = [ids] if distance <= NEAR else []
                if found or solver.tokens - begun > MOST_COMPUTED:
                    break
        self.problem.states.work += self._work(solver.tokens)
        for ids in found:
            for start in range(len(ids) - len(text) + 1):
                if ids[start : start + len(text)] == text and len(ids) - len(text) <= LONGEST:
                    yield ids[:start], ids[start + len(text) :]

    def _work(self, tokens: int) -> float:
        config = self.problem.encoder.published.config
        per_token = 8 * config.hidden_size**2 + 4 * config.hidden_size * config.intermediate_size
        return SINGLE * float(tokens * config.num_hidden_layers * per_token)


def _usual(special: Sequence[int]) -> Iterator[tuple[Ids, Ids]]:
    """None or one of the special ids at each side, and one at one side with two at the other."""
    one = [(), *((token,) for token in special)]
    yield from product(one, one)
    for first, second, third in product(special, repeat=3):
        if len({first, second, third}) < 3:
            yield (first, second), (third,)
            yield (first,), (second, third)
