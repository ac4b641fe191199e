"""A cross-encoder's scores that are not the reference's: which known change gives them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_softmax, softmax

from refimpl import models
from refimpl.bert.heads import classifier_logits, sequence_logits
from refimpl.bert.ops import linear
from refimpl.bert.weights import BertWeights
from refimpl.oracle.diagnosis.choice import Chosen, choose, varied_tokens
from refimpl.oracle.diagnosis.encoder import EncoderVariant, States, VariedEncoder
from refimpl.oracle.diagnosis.encoder_causes import ENCODER
from refimpl.oracle.diagnosis.knobs import Knob, turned
from refimpl.oracle.diagnosis.search import Turned, explain
from refimpl.oracle.diagnosis.verdict import Diagnosis
from refimpl.reranker.cross_encoder import CrossEncoderRerankFunction
from refimpl.reranker.ranking import check_request

Array = np.ndarray


@dataclass(frozen=True)
class RerankVariant(EncoderVariant):
    """What decides a pair's score; the defaults are the reference but for `activation`, which is the model's own."""

    head: str = "published"
    activation: str = "none"
    order: str = "documents"


def _cls(states: States) -> Array:
    return states.hidden_states[:, 0]


def _mean(weights: BertWeights, states: States) -> Array:
    mask = states.mask[:, :, None]
    return (states.hidden_states * mask).sum(axis=1) / mask.sum(axis=1)


HEADS: dict[str, Callable[[BertWeights, States], Array]] = {
    "published": lambda weights, states: sequence_logits(weights, states.hidden_states),
    "no pooler": lambda weights, states: classifier_logits(weights, _cls(states)),
    "no tanh": lambda weights, states: classifier_logits(
        weights, linear(_cls(states), *weights.affine("pooler.dense"))
    ),
    "no dense": lambda weights, states: classifier_logits(weights, np.tanh(_cls(states))),
    "mean": lambda weights, states: classifier_logits(weights, _mean(weights, states)),
    "no bias": lambda weights, states: sequence_logits(weights, states.hidden_states) - weights["classifier.bias"],
}
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "none": lambda logits: logits,
    "sigmoid": expit,
    "sigmoid twice": lambda logits: expit(expit(logits)),
    "softmax": softmax,
    "log softmax": log_softmax,
    "negated": lambda logits: -logits,
    "tanh": np.tanh,
}

PAIRS = (
    Knob("segment ids zero", "token_type_ids are 0 for the document too, as in llama.cpp", {"token_types": "zeros"}),
    Knob("segment ids swapped", "the query has segment 1 and the document 0", {"token_types": "swapped"}),
    Knob("document first", "the pair is (document, query)", {"swapped": True}),
    Knob("only the document truncated", "truncation='only_second', not longest first", {"truncation": "only second"}),
    Knob("only the query truncated", "truncation='only_first', not longest first", {"truncation": "only first"}),
    Knob(
        "one [SEP] between the texts lost",
        "the pair has no [SEP] between query and document",
        {"tokenizing": ("[SEP] once",)},
    ),
)
SCORING = (
    Knob(
        "no pooler",
        "the classifier reads [CLS] itself: the pooler's dense layer and its tanh are missing",
        {"head": "no pooler"},
    ),
    Knob("pooler without tanh", "the pooler's tanh is missing", {"head": "no tanh"}),
    Knob("pooler without dense", "the pooler's dense layer is missing", {"head": "no dense"}),
    Knob("mean for the pooler", "the classifier reads the mean of all tokens", {"head": "mean"}),
    Knob("no classifier bias", "the classifier's bias is missing", {"head": "no bias"}),
    Knob(
        "logits", "scores are the classifier's logits, where the model asks for their sigmoid", {"activation": "none"}
    ),
    Knob("sigmoid", "scores are the logits' sigmoid, where the model asks for the logits", {"activation": "sigmoid"}),
    Knob(
        "sigmoid twice", "the sigmoid is applied by the model and again by the caller", {"activation": "sigmoid twice"}
    ),
    Knob("tanh", "scores are the logits' tanh", {"activation": "tanh"}),
    Knob("softmax over documents", "scores are a softmax over the documents", {"activation": "softmax"}),
    Knob("log softmax over documents", "scores are a log softmax over the documents", {"activation": "log softmax"}),
    Knob("negated", "scores are the negated logits", {"activation": "negated"}),
    Knob("best first", "scores stand best first, not in the documents' order", {"order": "best first"}),
    Knob("reversed order", "scores stand in the reverse of the documents' order", {"order": "reversed"}),
)


class RerankProblem:
    """Given scores, and the cross-encoder with its knobs."""

    knobs: Sequence[Knob] = (*ENCODER, *PAIRS, *SCORING)

    def __init__(self, given: Array, encoder: VariedEncoder, activation: str, chosen: Chosen) -> None:
        self.given, self.encoder, self.chosen = given, encoder, chosen
        self.start = RerankVariant(activation=activation)

    def errors(self, turned_knobs: Turned, *, few: bool) -> Array:
        """Given less computed scores."""
        variant = turned(self.start, turned_knobs)
        batches = [np.arange(len(self.given))] if _needs_all(variant) else self.chosen.batches(few=few)
        try:
            return np.concatenate([self.given[rows] - self.scores(variant, rows) for rows in batches])
        except (ValueError, KeyError, AttributeError):
            return np.array([np.inf])

    def scores(self, variant: RerankVariant, rows: Array) -> Array:
        """The documents' scores."""
        states = self.encoder.states(variant, rows)
        logits = HEADS[variant.head](self.encoder.weights(variant), states)[:, 0]
        return ORDERS[variant.order](ACTIVATIONS[variant.activation](logits))

    def names(self, turned_knobs: Turned) -> tuple[str, ...]:
        """What the knobs are called."""
        return tuple(knob.name for knob in turned_knobs)


ORDERS: dict[str, Callable[[Array], Array]] = {
    "documents": lambda scores: scores,
    "best first": lambda scores: -np.sort(-scores),
    "reversed": lambda scores: scores[::-1],
}


def _needs_all(variant: RerankVariant) -> bool:
    return "softmax" in variant.activation or variant.order != "documents"


def diagnose_rerank(
    given: ArrayLike, query: str, documents: Sequence[str], model_path: str | Path, *, tolerance: float = 1e-5
) -> Diagnosis:
    """Hold a cross-encoder's scores, one a document in their order, against the model's and say why they differ.

    The reference is `CrossEncoderRerankFunction(model_path, dtype="float64").scores`. `tolerance` is absolute.
    Raises ValueError where there is not one score a document, and for a wrong request.
    """
    query, texts, _ = check_request(query, documents, None)
    scores = np.asarray(given, dtype=np.float64)
    if scores.shape != (len(texts),):
        raise ValueError(f"given must be {(len(texts),)}, a score a document in their order, got {scores.shape}")
    reference = CrossEncoderRerankFunction(model_path, dtype="float64")
    folder = models.path(str(model_path))
    encoder = VariedEncoder(folder, [query] * len(texts), texts, reference.tokenizer.max_length)
    departures = np.abs(scores - reference.scores(query, texts))
    difference = float(departures.max())
    if difference <= tolerance:
        return Diagnosis(True, difference, tolerance, ())
    if not np.isfinite(scores).all():
        return Diagnosis(False, np.inf, tolerance, (), "a score is not finite")
    chosen = choose(departures, encoder.tokens(EncoderVariant()), varied_tokens(encoder), tolerance)
    problem = RerankProblem(scores, encoder, reference.activation, chosen)
    return Diagnosis(False, difference, tolerance, explain(problem, tolerance))
