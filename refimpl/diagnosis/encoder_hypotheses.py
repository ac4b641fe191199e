"""Known deviations of encoders, each as one hypothesis about `EncoderVariant`, with where it comes from."""

from collections.abc import Iterator
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from refimpl.bert.config import BertConfig
from refimpl.common.types import Array
from refimpl.diagnosis import blocks, tensors
from refimpl.diagnosis.encoder import LONGEST, EncoderVariant
from refimpl.diagnosis.hypotheses import Hypothesis, change
from refimpl.diagnosis.token_hypotheses import TOKENS, encoder


def padded(name: str, explanation: str, variant: type[Any], **values: Any) -> tuple[Hypothesis, ...]:
    """Hypotheses about padding, one per usual length."""
    lengths = (
        ("padded to the longest", LONGEST, 1),
        ("padded to 128", 128, 2),
        ("padded to 256", 256, 2),
        ("padded to 512", 512, 2),
    )
    return tuple(
        Hypothesis(f"{name}, {length}", f"{explanation}; {length}", change(variant, padded_to=to, **values), cost)
        for length, to, cost in lengths
    )


INPUTS = (
    Hypothesis(
        "token types of ones", "token_type_ids are 1 where a single text has 0", encoder(token_types=np.ones_like)
    ),
    Hypothesis("positions off by one", "position ids begin at 1", encoder(first_position=1)),
    Hypothesis("positions off by two", "position ids begin at 2, as in RoBERTa", encoder(first_position=2)),
    *padded("padding attended to", "attention has no mask", EncoderVariant, attention_masked=False),
)

OPS = (
    Hypothesis(
        "tanh GELU",
        "GELU by its tanh approximation (gelu_new), where BERT has erf; as in llama.cpp and ggml",
        encoder(hidden_act="gelu_new"),
    ),
    Hypothesis(
        "sigmoid GELU",
        "GELU by x sigmoid(1.702 x) (quick_gelu), where BERT has erf",
        encoder(hidden_act="quick_gelu"),
    ),
    Hypothesis("ReLU", "ReLU where the model has GELU", encoder(hidden_act="relu")),
    Hypothesis("SiLU", "SiLU where the model has GELU", encoder(hidden_act="silu")),
    *(
        Hypothesis(
            f"eps {eps}",
            f"layer norm's eps is {eps}, {origin}; the model's is in its config.json",
            encoder(eps=float(eps)),
        )
        for eps, origin in (
            ("1e-3", "the default of Keras"),
            ("1e-5", "the default of PyTorch"),
            ("1e-6", "the default of flax"),
            ("1e-7", "as in float16 code"),
            ("1e-8", "as in some ports"),
        )
    ),
    Hypothesis("pre-norm", "layer norm before attention and feed forward, as in GPT-2", encoder(block=blocks.pre_norm)),
    Hypothesis("no residuals", "a layer's input is not added to its output", encoder(block=blocks.no_residual)),
    Hypothesis(
        "causal mask",
        "each token attends only to itself and earlier tokens, as in a decoder",
        encoder(block=blocks.causal),
    ),
    Hypothesis(
        "causal mask of the other side",
        "each token attends only to itself and later tokens",
        encoder(block=blocks.anti_causal),
    ),
    Hypothesis(
        "[SEP] not attended to",
        "no token attends to the last one, as with a mask that is one token too short",
        encoder(block=blocks.without_last),
    ),
    Hypothesis(
        "[CLS] not attended to",
        "no token attends to the first one, as with a mask that begins one token too late",
        encoder(block=blocks.without_first),
    ),
    Hypothesis(
        "special tokens not attended to",
        "no token attends to the first and the last one",
        encoder(block=blocks.without_special),
    ),
    Hypothesis("no attention to itself", "each token attends to all others", encoder(block=blocks.without_itself)),
    *(
        Hypothesis(
            f"attention within {distance} tokens",
            f"each token attends only to those at most {distance} away, as in local attention",
            encoder(block=blocks.within(distance)),
        )
        for distance in (32, 64, 128)
    ),
)

QUERY, KEY, VALUE = (f"attention.self.{name}" for name in ("query", "key", "value"))


def rewired(name: str, explanation: str, *rewirings: tensors.Rewiring) -> Hypothesis:
    """A hypothesis about where tensors are used, or which are used at all."""
    return Hypothesis(name, explanation, encoder(rewirings=rewirings))


WIRING = (
    rewired("query and key swapped", "the weights of Q and K are exchanged", tensors.swap(QUERY, KEY)),
    rewired("key and value swapped", "the weights of K and V are exchanged", tensors.swap(KEY, VALUE)),
    rewired(
        "attention dense transposed",
        "attention.output.dense is transposed (x W for x W^T)",
        tensors.transpose(r"attention\.output\.dense\.weight$"),
    ),
    rewired(
        "query transposed",
        "attention.self.query is transposed (x W for x W^T)",
        tensors.transpose(r"attention\.self\.query\.weight$"),
    ),
    rewired(
        "key transposed",
        "attention.self.key is transposed (x W for x W^T)",
        tensors.transpose(r"attention\.self\.key\.weight$"),
    ),
    rewired(
        "value transposed",
        "attention.self.value is transposed (x W for x W^T)",
        tensors.transpose(r"attention\.self\.value\.weight$"),
    ),
    rewired(
        "query, key and value transposed",
        "all three projections are transposed (x W for x W^T)",
        tensors.transpose(r"attention\.self\.(query|key|value)\.weight$"),
    ),
    rewired(
        "no position embeddings", "the position embeddings are not added", tensors.fill("position_embeddings", 0.0)
    ),
    rewired(
        "no token type embeddings",
        "the token type embeddings are not added, though segment 0 has a vector too",
        tensors.fill("token_type_embeddings", 0.0),
    ),
    rewired(
        "no query, key and value biases",
        "Q, K and V have no biases, as in newer models",
        tensors.fill(r"attention\.self\..*\.bias$", 0.0),
    ),
    rewired("no biases", "there are no biases at all", tensors.fill(r"\.bias$", 0.0)),
    rewired(
        "layer norms without weight and bias",
        "layer norm has neither weight nor bias",
        tensors.fill(r"LayerNorm\.weight$", 1.0),
        tensors.fill(r"LayerNorm\.bias$", 0.0),
    ),
    rewired(
        "layer norms with weight plus one",
        "layer norm multiplies by 1 + weight, as Gemma's does",
        tensors.map_tensors(r"LayerNorm\.weight$", lambda tensor, config: tensor + 1),
    ),
    rewired(
        "scores not scaled",
        "attention scores are not divided by sqrt(head_dim)",
        tensors.scale_query(lambda config: sqrt(tensors.head_dim(config))),
    ),
    rewired(
        "scores scaled by hidden size",
        "attention scores are divided by sqrt(hidden_size), not sqrt(head_dim)",
        tensors.scale_query(lambda config: 1 / sqrt(config.num_attention_heads)),
    ),
    rewired(
        "scores scaled twice",
        "attention scores are divided by head_dim, not by its root",
        tensors.scale_query(lambda config: 1 / sqrt(tensors.head_dim(config))),
    ),
    rewired(
        "query biases not scaled",
        "1 / sqrt(head_dim) is folded into the weights of the queries, not into their biases",
        tensors.query_bias_unscaled,
    ),
    *(
        rewired(
            f"word embeddings of the {which} row",
            f"every token, special ones included, has the embedding of the id {by} its own",
            tensors.map_tensors(r"word_embeddings\.weight$", partial(tensors.rolled, step)),
        )
        for which, by, step in (("next", "after", -1), ("previous", "before", 1))
    ),
    rewired(
        "heads interleaved",
        "heads take every n-th feature (reshape(head_dim, heads)), not consecutive ones",
        tensors.interleave_heads,
    ),
    rewired(
        "query, key and value joined, split by head",
        "the rows of Q, K and V, one after the other, are split into (heads, 3, head_dim), as GPT-NeoX's are",
        tensors.fused(by_head=True),
    ),
    rewired(
        "query, key and value joined by head, split in three",
        "the rows of Q, K and V are joined as (heads, 3, head_dim) and split into three parts",
        tensors.fused(by_head=False),
    ),
    rewired(
        "unbiased variance",
        "layer norm divides by n - 1 (the default of torch.var and pandas)",
        tensors.unbiased_variance,
    ),
    rewired("layers reversed", "the layers are computed in reverse order", tensors.reverse_layers),
)

ROUNDING = tuple(
    Hypothesis(name, explanation, encoder(rounding=rounding))
    for name, explanation, rounding in (
        ("float16 weights", "the weights are rounded to float16", tensors.float16),
        ("bfloat16 weights", "the weights are rounded to bfloat16", tensors.bfloat16),
        ("bfloat16 weights, cut", "the weights are cut to bfloat16, not rounded", tensors.bfloat16_cut),
        ("int8 weights", "matrices are quantised to int8, one symmetric scale per tensor", tensors.int8),
        (
            "int8 weights by row",
            "matrices are quantised to int8, one symmetric scale per row (per channel)",
            tensors.int8_by_row,
        ),
        ("uint8 weights", "matrices are quantised to uint8, one scale and zero point per tensor", tensors.uint8),
        ("Q8_0 weights", "matrices are quantised to int8 in blocks of 32, as in ggml's Q8_0", tensors.q8_0),
        ("Q4_0 weights", "matrices are quantised to 4 bits in blocks of 32, as in ggml's Q4_0", tensors.q4_0),
        (
            "Q4_1 weights",
            "matrices are quantised to 4 bits with a minimum in blocks of 32, as in ggml's Q4_1",
            tensors.q4_1,
        ),
        ("float8 weights", "matrices are rounded to float8 E4M3", tensors.float8),
    )
)

LAYER_MATRICES, EMBEDDING_TABLES = r"encoder\.layer\..*\.weight$", r"embeddings\..*\.weight$"
ATTENTION, FEED_FORWARD = (
    r"\.attention\.(self\.\w+|output\.dense)\.weight$",
    r"\d\.(intermediate|output)\.dense\.weight$",
)
SUBLAYERS_ROUNDED = ("float16 weights", "bfloat16 weights", "int8 weights by row")


def _parts_rounded() -> Iterator[Hypothesis]:
    """Each rounding of the layers' matrices alone, of one sublayer's, and of the embeddings alone."""
    for hypothesis in ROUNDING:
        rounding = hypothesis.apply.values["rounding"]
        places = [("in the layers only", LAYER_MATRICES), ("in the embeddings only", EMBEDDING_TABLES)]
        if hypothesis.name in SUBLAYERS_ROUNDED:
            places += [("in attention only", ATTENTION), ("in the feed forward only", FEED_FORWARD)]
        for where, pattern in places:
            compute = partial(_in_float32, rounding)
            explanation = f"{hypothesis.explanation}, {where}"
            yield rewired(f"{hypothesis.name} {where}", explanation, tensors.map_tensors(pattern, compute))


def _in_float32(rounding: tensors.Rounding, tensor: Array, config: BertConfig) -> Array:
    return rounding(tensor.astype(np.float32)).astype(tensor.dtype)


PARTS_ROUNDED = tuple(_parts_rounded())
"""Searched beside those of `ENCODER`."""

LAYERS = tuple(
    Hypothesis(name, explanation, encoder(layers=layers))
    for name, explanation, layers in (
        ("last layer left out", "the hidden states before the last layer are taken (hidden_states[-2])", -1),
        ("last two layers left out", "the hidden states of the third layer from the end are taken", -2),
        ("first layer only", "the hidden states of the first layer are taken", 1),
        ("no layer", "the embeddings themselves are taken (hidden_states[0])", 0),
    )
)

AVERAGED = tuple(
    Hypothesis(f"mean of {name}", f"the mean of hidden states is pooled: those of {name}", encoder(averaged=states))
    for name, states in (
        ("the last two layers", lambda layers: range(layers - 1, layers + 1)),
        ("the last four layers", lambda layers: range(layers - 3, layers + 1)),
        ("first and last layer", lambda layers: (1, layers)),
        ("embeddings and last layer", lambda layers: (0, layers)),
        ("embeddings and all layers", lambda layers: range(layers + 1)),
    )
)

ENCODER = (*OPS, *TOKENS, *INPUTS, *WIRING, *ROUNDING, *LAYERS, *AVERAGED)
