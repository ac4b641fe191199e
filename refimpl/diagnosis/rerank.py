"""The cause of a mismatch of a cross-encoder's scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_softmax, softmax

from refimpl import models
from refimpl.bert.heads import classifier_input, classifier_logits, sequence_logits
from refimpl.bert.ops import linear
from refimpl.bert.weights import BertWeights
from refimpl.common.types import Array
from refimpl.diagnosis import tokenizing
from refimpl.diagnosis.encoder import EncoderVariant, States, VariedEncoder, identity, swap_segments
from refimpl.diagnosis.encoder_hypotheses import ENCODER
from refimpl.diagnosis.hypotheses import Combination, Hypothesis, NotApplicable, apply_all, change
from refimpl.diagnosis.result import Diagnosis
from refimpl.diagnosis.sampling import Sample, select_sample, varied_tokens
from refimpl.diagnosis.search import Problem, explain
from refimpl.diagnosis.token_hypotheses import tokenized
from refimpl.diagnosis.truncating import Truncation
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.reranker.ranking import check_request


def published_head(weights: BertWeights, states: States) -> Array:
    """The model's own logits `(documents, 1)`."""
    packed, lengths = states.hidden_states[states.mask], states.mask.sum(axis=1)
    return sequence_logits(weights, classifier_input(weights, packed, lengths))


def without_pooler(weights: BertWeights, states: States) -> Array:
    """The classifier on [CLS]."""
    return _classifier(weights, _cls(states))


def without_tanh(weights: BertWeights, states: States) -> Array:
    """The classifier on the pooler's dense layer."""
    return _classifier(weights, linear(_cls(states), *_affine(weights, "pooler.dense")))


def without_dense(weights: BertWeights, states: States) -> Array:
    """The classifier on tanh of [CLS]."""
    return _classifier(weights, np.tanh(_cls(states)))


def mean_head(weights: BertWeights, states: States) -> Array:
    """The classifier on the mean over tokens."""
    mask = states.mask[:, :, None]
    return _classifier(weights, (states.hidden_states * mask).sum(axis=1) / mask.sum(axis=1))


def without_bias(weights: BertWeights, states: States) -> Array:
    """The model's own logits less the classifier's bias."""
    return published_head(weights, states) - _affine(weights, "classifier")[1]


def _cls(states: States) -> Array:
    return states.hidden_states[:, 0]


def _classifier(weights: BertWeights, pooled: Array) -> Array:
    _affine(weights, "classifier")
    return classifier_logits(weights, pooled)


def _affine(weights: BertWeights, name: str) -> tuple[Array, Array]:
    if f"{name}.weight" not in weights:
        raise NotApplicable(f"the weights have no {name}")
    return weights.affine(name)


def sigmoid_twice(logits: Array) -> Array:
    """sigmoid(sigmoid(x))."""
    return np.asarray(expit(expit(logits)))


def best_first(scores: Array) -> Array:
    """Sorted, descending."""
    return -np.sort(-scores)


def in_reverse(scores: Array) -> Array:
    """The last document's score first."""
    return scores[::-1]


ALL_DOCUMENTS = (softmax, log_softmax, best_first, in_reverse)
"""Functions whose values depend on the other documents, so that a sample does not do."""


@dataclass(frozen=True)
class RerankVariant(EncoderVariant):
    """Everything that determines a pair's score; the defaults are the reference, except for the model's activation."""

    head: Callable[[BertWeights, States], Array] = published_head
    activation: Callable[[Array], Array] = identity
    order: Callable[[Array], Array] = identity


pair = partial(change, RerankVariant)

PAIRS = (
    Hypothesis(
        "segment ids zero",
        "token_type_ids are 0 for the document too, as in llama.cpp",
        pair(token_types=np.zeros_like),
    ),
    Hypothesis("segment ids swapped", "the query has segment 1 and the document 0", pair(token_types=swap_segments)),
    Hypothesis("document first", "the pair is (document, query)", pair(swapped=True)),
    Hypothesis(
        "only the document truncated",
        "truncation='only_second', not longest first",
        pair(truncation=Truncation(strategy="only_second")),
    ),
    Hypothesis(
        "only the query truncated",
        "truncation='only_first', not longest first",
        pair(truncation=Truncation(strategy="only_first")),
    ),
    tokenized(
        "no [SEP] between the texts",
        "the pair has no [SEP] between query and document",
        tokenizing.template("[CLS] $A [SEP]", "[CLS] $A $B:1 [SEP]:1"),
    ),
)
SCORING = (
    Hypothesis(
        "no pooler",
        "the classifier is applied to [CLS] itself, without the pooler's dense layer and tanh",
        pair(head=without_pooler),
    ),
    Hypothesis("pooler without tanh", "the pooler's tanh is missing", pair(head=without_tanh)),
    Hypothesis("pooler without dense", "the pooler's dense layer is missing", pair(head=without_dense)),
    Hypothesis("mean for the pooler", "the classifier is applied to the mean of all tokens", pair(head=mean_head)),
    Hypothesis("no classifier bias", "the classifier's bias is missing", pair(head=without_bias)),
    Hypothesis(
        "logits", "scores are the classifier's logits, where the model's are their sigmoid", pair(activation=identity)
    ),
    Hypothesis("sigmoid", "scores are the sigmoid of the logits, where the model's are logits", pair(activation=expit)),
    Hypothesis(
        "sigmoid twice", "the sigmoid is applied by the model and by the caller", pair(activation=sigmoid_twice)
    ),
    Hypothesis("tanh", "scores are tanh of the logits", pair(activation=np.tanh)),
    Hypothesis("softmax over documents", "scores are a softmax over the documents", pair(activation=softmax)),
    Hypothesis(
        "log softmax over documents", "scores are a log softmax over the documents", pair(activation=log_softmax)
    ),
    Hypothesis("negated", "scores are the negated logits", pair(activation=np.negative)),
    Hypothesis("best first", "scores are sorted, not in the documents' order", pair(order=best_first)),
    Hypothesis("reversed order", "scores are in the reverse of the documents' order", pair(order=in_reverse)),
)


class RerankProblem(Problem):
    """Scores of one query's documents, and the cross-encoder that they are compared with."""

    hypotheses: Sequence[Hypothesis] = (*ENCODER, *PAIRS, *SCORING)

    def __init__(
        self, actual: Array, encoder: VariedEncoder, activation: Callable[[Array], Array], sample: Sample
    ) -> None:
        self.actual, self.encoder, self.sample = actual, encoder, sample
        self.start = RerankVariant(activation=activation)

    def errors(self, combination: Combination, *, few: bool) -> Array:
        """Actual - computed scores."""
        variant = apply_all(self.start, combination)
        sampled = variant.activation not in ALL_DOCUMENTS and variant.order not in ALL_DOCUMENTS
        batches = self.sample.batches(few=few) if sampled else [np.arange(len(self.actual))]
        return np.concatenate([self.actual[rows] - self.scores(variant, rows) for rows in batches])

    def scores(self, variant: RerankVariant, rows: Array) -> Array:
        """The documents' scores `(rows,)`."""
        states = self.encoder.states(variant, rows)
        logits = variant.head(self.encoder.weights(variant), states)[:, 0]
        return variant.order(variant.activation(logits))


def diagnose_rerank(
    actual: ArrayLike, query: str, documents: Sequence[str], model_path: str | Path, *, tolerance: float = 1e-5
) -> Diagnosis:
    """Compare a cross-encoder's scores with the model's, and find why they differ.

    The reference is `CrossEncoderRerankFunction(model_path, dtype="float64").scores`.

    Parameters
    ----------
    actual
        Scores `(documents,)` in the documents' order.
    query, documents
        The texts.
    model_path
        The cross-encoder's folder.
    tolerance
        Absolute.

    Raises
    ------
    ValueError
        For another shape, and for an invalid request.
    """
    query, texts, _ = check_request(query, documents, None)
    scores = np.asarray(actual, dtype=np.float64)
    if scores.shape != (len(texts),):
        raise ValueError(f"expected scores of shape {(len(texts),)}, got {scores.shape}: one score per document")
    reference = CrossEncoderRerankFunction(model_path, dtype="float64")
    folder = models.path(str(model_path))
    encoder = VariedEncoder(folder, [query] * len(texts), texts, reference.tokenizer.max_length)
    deviations = np.abs(scores - reference.scores(query, texts))
    difference = float(deviations.max())
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if not np.isfinite(scores).all():
        return Diagnosis(False, np.inf, tolerance, (), "a score is not finite")
    sample = select_sample(deviations, encoder.tokens(EncoderVariant()), varied_tokens(encoder), tolerance)
    problem = RerankProblem(scores, encoder, reference.activation_fct, sample)
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance))
