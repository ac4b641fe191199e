"""The cause of vectors that are right for a text alone and wrong among others: measured by calls of two texts.

The texts of a large call are batched and sorted in ways that are not known; of two texts the longer one decides.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from refimpl.bert.forward import encoder_layer, forward
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis.by_text import ROUNDED
from refimpl.diagnosis.call_faults import CALL_FAULTS, LEFT_OVER, NO_FAULT, OF_EVERY_MODEL, CallFault
from refimpl.diagnosis.call_layouts import Pair, Row
from refimpl.diagnosis.calls import CLEAR
from refimpl.diagnosis.embedding_problem import EmbeddingProblem
from refimpl.diagnosis.encoder import identity
from refimpl.diagnosis.faults import faulty_block, faulty_embedding
from refimpl.diagnosis.hypotheses import Combination, apply_all
from refimpl.diagnosis.pooling import EmbeddingVariant, scaled
from refimpl.diagnosis.result import Cause, Diagnosis
from refimpl.diagnosis.text_states import SHORT
from refimpl.tokens import Tokens

POSITIONS = "embeddings.position_embeddings.weight"
FEW = 2  # pairs of texts, each run in both orders, that choose the fault
LONGER = 1.5  # times the tokens of a pair's shorter text that the longer one has at least
SIZES = (8, 16, 32, 64, 100, 128, 256)
"""Of usual batches."""
QUOTIENTS = 1e-4
"""Relative error of vectors of a function of a call's outputs: quotients of small entries magnify rounding."""
FILLED = 4  # texts of an earlier call, so that each row of a buffer has one
KEPT = (
    "not deterministic, so that no cause is searched: a text has another vector after calls of other texts, so that"
    " something is kept from one call to the next, such as a buffer or a cache"
)
BATCHED = 6  # short texts whose widths choose the batches


@dataclass
class CallSearch:
    """What the other texts of a call do to a text's vector.

    Parameters
    ----------
    problem
        The vectors of one call with all texts, and the reference.
    encode
        The implementation.
    base
        What explains the vectors of texts alone; `()` where these are right.
    """

    problem: EmbeddingProblem
    encode: Callable[[list[str]], Array]
    base: Combination = ()
    _variant: EmbeddingVariant = field(init=False)
    _raw: EmbeddingVariant = field(init=False)
    _tokens: Tokens = field(init=False)
    fault: CallFault | None = field(init=False, default=None)
    """What `cause` found."""

    def __post_init__(self) -> None:
        self._variant = apply_all(EmbeddingVariant(), self.base)
        self._raw = replace(self._variant, normalize=identity)
        self._tokens = self.problem.encoder.tokens(self._variant)

    def cause(self, labels: Sequence[str]) -> Cause | None:
        """The fault that explains calls of two texts, tried with each text; None where none does."""
        order = [int(row) for row in np.argsort(self._tokens.lengths, kind="stable")]
        self.fault = chosen = self._chosen(list(self._few(order)))
        if chosen is None:
            return None
        lengths = [self._length(row) for row in order]
        longer = [bisect_right(lengths, length) for length in lengths]
        pairs = [(order[i], order[j]) for i, j in enumerate(longer) if j < len(order)]
        residuals = {short: self._residual(chosen, short, long, True) for short, long in pairs}
        explained = tuple(row for row, residual in residuals.items() if residual <= self._limit(chosen))
        if len(explained) < len(residuals) / 2:
            return None
        batches = self._batches(chosen, order) if chosen.padding else ""
        whole = len(explained) == len(residuals)
        return Cause(
            (chosen.name,),
            f"{chosen.explanation}{batches}",
            max(residuals[row] for row in explained),
            1.0,
            whole,
            tuple(labels[row] for row in explained),
            f"{len(explained)} of {len(residuals)} texts, each run beside a longer one",
            chosen.remedy,
        )

    def of_earlier_calls(self, difference: float) -> Diagnosis | None:
        """Where a vector depends on the calls before: their tokens, if they explain it; None where it does not.

        The same call of two texts is made after calls of one longer text, and of another one.
        """
        texts, order = self.problem.encoder.firsts, np.argsort(self._tokens.lengths, kind="stable").tolist()
        words = [row for row in order if self._length(row) > 3 and not self._has_special(row)]
        longer = [row for row in words if self._length(row) >= LONGER * self._length(words[0])]
        vectors: dict[int, Array] = {}
        for earlier in longer[:2]:
            self.encode([texts[earlier]] * FILLED)
            if (answer := self._answer(words[0], longer[0])) is None:
                return None
            vectors[earlier] = answer[0]
        if len(vectors) < 2 or _largest(np.subtract(*vectors.values())) <= CLEAR * self.problem.tolerance:
            return None
        own, width = self._ids(words[0]), self._length(longer[0])
        for fault in LEFT_OVER:
            errors = [vectors[row] - self._vector(fault, own, self._ids(row)[:width], True) for row in vectors]
            if (residual := max(map(_largest, errors))) <= self._limit(fault):
                where = "the tokens of a longer text of an earlier call stay behind those of a shorter one"
                calls = f"{len(vectors)} of {len(vectors)} calls after those of other texts"
                cause = Cause((f"{fault.name}, of earlier calls",), where, residual, 1.0, True, of=calls)
                cause = replace(cause, remedy=fault.remedy)
                return Diagnosis(False, difference, self.problem.tolerance, (cause,))
        return Diagnosis(False, difference, self.problem.tolerance, (), observation=KEPT)

    def explains_alone(self, alone: Array) -> bool:
        """Whether the fault gives the vectors `(texts, dim)` of each text in a call of its own, as padding does."""
        fault = self.fault or NO_FAULT
        variant = self._variant if fault.output is None else self._raw
        states = self.problem.states(variant, range(len(alone)))
        weights = self.problem.encoder.weights(variant)
        vectors = [scaled(variant, weights, one.hidden_states[None], one.mask[None]) for one in states]
        if fault.output is not None:
            pairs = zip((fault.output(one)[0] for one in vectors), alone, strict=True)
            return all(_relative(vector, given) <= QUOTIENTS for vector, given in pairs)
        return self._off(np.concatenate(vectors), alone) <= self._limit(fault)

    def _few(self, order: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pairs of a short and a clearly longer text; the first has more than [CLS] and [SEP]."""
        words = [row for row in order if self._length(row) > 3]
        for start in range(min(FEW, len(words))):
            least = LONGER * self._length(words[start])
            longer = [row for row in words if self._length(row) >= least]
            if len(longer) > start:
                yield words[start], longer[start]

    def _chosen(self, pairs: Sequence[tuple[int, int]]) -> CallFault | None:
        """The first fault that explains both vectors of each pair, in both orders."""
        given: dict[tuple[int, int, bool], Array] = {}
        for one, two in (call for short, long in pairs for call in ((short, long), (long, short))):
            vectors = self._answer(one, two)
            if vectors is None:
                return None
            given[one, two, True], given[two, one, False] = vectors
        if self._explains(NO_FAULT, given):  # also where there is no pair
            return None
        faults = CALL_FAULTS if self.problem.encoder.published.config.is_bert else OF_EVERY_MODEL
        return next((fault for fault in faults if self._explains(fault, given)), None)

    def _answer(self, one: int, two: int) -> Array | None:
        """The two vectors of a call; None where it has another shape, as where the call is refused."""
        texts = self.problem.encoder.firsts
        vectors = np.asarray(self.encode([texts[one], texts[two]]), dtype=np.float64)
        return vectors if vectors.shape == (2, self.problem.actual.shape[1]) else None

    def _residual(self, fault: CallFault, own: int, other: int, first: bool) -> float:
        vectors = self._answer(own, other)
        return np.inf if vectors is None else self._error(fault, own, other, first, vectors[0])

    def _error(self, fault: CallFault, own: int, other: int, first: bool, given: Array) -> float:
        vector = self._vector(fault, self._ids(own), self._ids(other), first)
        return self._off(vector, given) if fault.output is None else _relative(vector, given)

    def _off(self, vectors: Array, given: Array) -> float:
        """The largest error; of vectors that are stored rounded, beyond what those near by are rounded to."""
        if self._variant.store is identity:
            return _largest(vectors - given)
        slack = ROUNDED * self.problem.tolerance
        low, high = self._variant.store(vectors - slack), self._variant.store(vectors + slack)
        return float(np.max(np.maximum(low - given, given - high), initial=0.0))

    def _limit(self, fault: CallFault) -> float:
        limit = ROUNDED * self.problem.tolerance
        return limit if fault.output is None else max(limit, QUOTIENTS)

    def _explains(self, fault: CallFault, given: Mapping[tuple[int, int, bool], Array]) -> bool:
        return all(self._error(fault, *call, vector) <= self._limit(fault) for call, vector in given.items())

    def _vector(self, fault: CallFault, own: Array, other: Array, first: bool) -> Array:
        """The vector `(dim,)` of a call's text, whose ids are `own`, under `fault`."""
        pair = Pair(own, other, first, self._tokens.pad_token_id)
        if fault.output is None:
            return fault.weight(pair) * self._pooled(fault.layout(pair), self._variant)
        both = [self._pooled(fault.layout(one), self._raw) for one in (pair, Pair(other, own, not first, pair.pad))]
        vectors = fault.output(np.stack(both if first else both[::-1]))
        return np.asarray(vectors[0 if first else 1])

    def _pooled(self, row: Row, variant: EmbeddingVariant) -> Array:
        states = self.problem.states
        single = states.single and len(row.input_ids) > SHORT
        return row_vector(states.single_weights(variant) if single else states.encoder.weights(variant), variant, row)

    def _batches(self, fault: CallFault, order: Sequence[int]) -> str:
        """How the texts of the large call were batched, where one of the usual ways alone explains short texts."""
        lengths = [self._length(row) for row in range(len(order))]
        ways = {"all texts of the call are padded to its longest": [max(lengths)] * len(order)}
        for name, texts_in_order in _orders(self.problem.encoder.firsts).items():
            for size in (size for size in SIZES if size < len(order)):
                ways[f"the call is batched by {size} texts, {name}"] = _widths(lengths, texts_in_order, size)
        tried = 0
        for row in (row for row in order if 2 < lengths[row] <= SHORT):
            differing = {widths[row] for widths in ways.values()}
            if len(differing) > 1 and tried < BATCHED:
                fitting = {width: self._fits(fault, row, width) for width in differing}
                ways = {name: widths for name, widths in ways.items() if fitting[widths[row]]}
                tried += 1
        return f"; {next(iter(ways))}" if len(ways) == 1 else ""

    def _fits(self, fault: CallFault, row: int, width: int) -> bool:
        """Whether the text's vector in the large call is that beside a text of `width` tokens."""
        other = np.zeros(width, dtype=np.int64)  # of whose tokens only the number counts
        vector = self._vector(fault, self._ids(row), other, True)
        return self._off(vector, self.problem.actual[row]) <= self._limit(fault)

    def _length(self, row: int) -> int:
        return int(self._tokens.lengths[row])

    def _has_special(self, row: int) -> bool:
        """Whether [PAD], or a special token that surrounds texts, is written in the text."""
        first, *own, last = self._ids(row).tolist()
        return not {first, last, self._tokens.pad_token_id}.isdisjoint(own)

    def _ids(self, row: int) -> Array:
        start = int(self._tokens.starts[row])
        return self._tokens.input_ids[start : start + self._length(row)]


def row_vector(weights: BertWeights, variant: EmbeddingVariant, row: Row) -> Array:
    """The vector `(dim,)` of a batch's row under `variant`, with the variant's weights."""
    if row.positions is not None:
        first, table = weights.config.first_position, np.asarray(weights[POSITIONS])
        rows = np.concatenate([np.arange(first), first + row.positions])
        weights = BertWeights(weights.config, {**weights, POSITIONS: table[rows]})
    faults = (*variant.faults, *row.faults)
    states = forward(
        weights,
        row.input_ids[None],
        row.attended[None],
        variant.token_types(np.zeros_like(row.input_ids))[None],
        block=faulty_block(variant.block, faults) if faults or variant.block is not encoder_layer else None,
        embedding=faulty_embedding(faults),
    )
    return np.asarray(scaled(variant, weights, states.last_hidden_state, row.pooled[None])[0], dtype=np.float64)


def _largest(errors: Array) -> float:
    return float(np.max(np.abs(errors)))


def _relative(vector: Array, given: Array) -> float:
    """The length of the difference, relative to the given vector's."""
    return float(np.linalg.norm(vector - given) / np.maximum(np.linalg.norm(given), 1e-12))


def _orders(texts: Sequence[str]) -> dict[str, Array]:
    """The usual orders of texts in batches, as indices."""
    characters = np.array([len(text) for text in texts])
    return {
        "in their order": np.arange(len(texts)),
        "longest first": np.argsort(-characters, kind="stable"),
        "shortest first": np.argsort(characters, kind="stable"),
    }


def _widths(lengths: Sequence[int], order: Array, size: int) -> list[int]:
    """The tokens of the longest text in each text's batch."""
    widths = [0] * len(lengths)
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        for row in batch:
            widths[int(row)] = max(lengths[int(one)] for one in batch)
    return widths
