"""Faults of encoders by the hypothesis that names them, and the outputs of `FaultyBert` with them."""

import math
from pathlib import Path

import numpy as np
from faulty_bert import FaultyBert

EMBEDDINGS = {
    "tanh GELU": {"act": "tanh"},
    "sigmoid GELU": {"act": "quick"},
    "ReLU": {"act": "relu"},
    "SiLU": {"act": "silu"},
    "eps 1e-3": {"eps": 1e-3},
    "eps 1e-5": {"eps": 1e-5},
    "eps 1e-6": {"eps": 1e-6},
    "eps 1e-7": {"eps": 1e-7},
    "pre-norm": {"block": "pre"},
    "no residuals": {"block": "no residual"},
    "causal mask": {"block": "causal"},
    "causal mask of the other side": {"unseen": "e"},
    "[SEP] not attended to": {"unseen": "s"},
    "[CLS] not attended to": {"unseen": "c"},
    "special tokens not attended to": {"unseen": "cs"},
    "no attention to itself": {"unseen": "i"},
    "no special tokens": {"special": ""},
    "no [SEP]": {"special": "[CLS]"},
    "no [CLS]": {"special": "[SEP]"},
    "cased tokens": {"lower": False},
    "accents kept": {"accents": False},
    "Han not split": {"han": False},
    "truncation at 128": {"max_length": 128},
    "truncation at 512": {"max_length": 512},
    "truncation at the left": {"cut": "left"},
    "prefix 'query: '": {"prefix": "query: "},
    "token types of ones": {"segment": 1},
    "positions off by one": {"first_position": 1},
    "positions off by two": {"first_position": 2},
    "padding attended to, padded to the longest": {"pad_to": -1, "mask_attention": False},
    "padding pooled, padded to the longest": {"pad_to": -1, "mask_pooling": False},
    "padding pooled, padded to 512": {"pad_to": 512, "mask_pooling": False},
    "query and key swapped": {"swap": ("query", "key")},
    "key and value swapped": {"swap": ("key", "value")},
    "attention dense transposed": {"transpose": ("attention.output.dense",)},
    "query transposed": {"transpose": ("query",)},
    "query, key and value transposed": {"transpose": ("query", "key", "value")},
    "no position embeddings": {"zero": ("position_embeddings",)},
    "no token type embeddings": {"zero": ("token_type_embeddings",)},
    "no query, key and value biases": {"zero": ("query.bias", "key.bias", "value.bias")},
    "no biases": {"zero": (".bias",)},
    "layer norms without weight and bias": {"plain_norms": True},
    "scores not scaled": {"divisor": "1"},
    "scores scaled by hidden size": {"divisor": "sqrt(hidden)"},
    "scores scaled twice": {"divisor": "head_dim"},
    "heads interleaved": {"interleave": True},
    "layer norms with weight plus one": {"more_weight": 1.0},
    "query, key and value joined, split by head": {"fused": "split by head"},
    "query, key and value joined by head, split in three": {"fused": "joined by head"},
    "unbiased variance": {"ddof": 1},
    "float16 weights": {"rounding": "float16"},
    "bfloat16 weights": {"rounding": "bfloat16"},
    "int8 weights": {"rounding": "int8"},
    "int8 weights by row": {"rounding": "int8 by row"},
    "last layer left out": {"layers": -1},
    "last two layers left out": {"layers": -2},
    "no layer": {"layers": 0},
    "CLS pooling": {"pooling": "CLS"},
    "max pooling": {"pooling": "max"},
    "last token pooling": {"pooling": "last"},
    "mean without special tokens": {"pooling": "words"},
    "pooler applied": {"pooling": "pooler"},
    "tokens normalised before pooling": {"pooling": "unit"},
    "no normalisation": {"norm": "none"},
    "L1 normalisation": {"norm": "L1"},
    "normalised by the squared length": {"norm": "squared"},
    "float16 vectors": {"stored": "float16"},
    "bfloat16 vectors": {"stored": "bfloat16"},
    "4 decimals": {"stored": "4"},
    "eps 1e-8": {"eps": 1e-8},
    "special tokens twice": {"special_times": 2},
    "case kept": {"lower": False, "accents": True},
    "control characters kept": {"clean": False},
    "truncation at 64": {"max_length": 64},
    "prefix 'passage: '": {"prefix": "passage: "},
    "padding attended to, padded to 128": {"pad_to": 128, "mask_attention": False},
    "padding attended to, padded to 256": {"pad_to": 256, "mask_attention": False},
    "padding attended to, padded to 512": {"pad_to": 512, "mask_attention": False},
    "padding pooled, padded to 128": {"pad_to": 128, "mask_pooling": False},
    "padding pooled, padded to 256": {"pad_to": 256, "mask_pooling": False},
    **{
        f"padding attended to and pooled, padded to {name}": {
            "pad_to": length,
            "mask_attention": False,
            "mask_pooling": False,
        }
        for name, length in (("the longest", -1), ("128", 128), ("256", 256), ("512", 512))
    },
    "key transposed": {"transpose": ("key",)},
    "value transposed": {"transpose": ("value",)},
    "layers reversed": {"backwards": True},
    "uint8 weights": {"rounding": "uint8"},
    "Q8_0 weights": {"rounding": "q8_0"},
    "Q4_0 weights": {"rounding": "q4_0"},
    "float8 weights": {"rounding": "float8"},
    "first layer only": {"layers": 1},
    "attention within 32 tokens": {"window": 32},
    "attention within 64 tokens": {"window": 64},
    "attention within 128 tokens": {"window": 128},
    "query biases not scaled": {"query_bias": False},
    "word embeddings of the next row": {"rows": 1},
    "word embeddings of the previous row": {"rows": -1},
    "mean of the last two layers": {"averaged": lambda states: states[-2:]},
    "mean of the last four layers": {"averaged": lambda states: states[-4:]},
    "mean of first and last layer": {"averaged": lambda states: [states[1], states[-1]]},
    "mean of embeddings and last layer": {"averaged": lambda states: [states[0], states[-1]]},
    "mean of embeddings and all layers": {"averaged": lambda states: states},
    "Q4_1 weights": {"rounding": "q4_1"},
    "bfloat16 weights, cut": {"rounding": "bfloat16 cut"},
    "bfloat16 vectors, cut": {"stored": "bfloat16 cut"},
    "sum pooling": {"pooling": "sum"},
    "sum over root of length": {"pooling": "root"},
    "normalised by the largest entry": {"norm": "max"},
    "int8 vectors": {"stored": "int8"},
    "3 decimals": {"stored": "3"},
    "5 decimals": {"stored": "5"},
    "6 decimals": {"stored": "6"},
}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def pair_ids(bert: FaultyBert, query: str, document: str, room: int = 24, cut: str = "longest", between: bool = True):
    """[CLS] query [SEP] document [SEP], and segments; truncated longest first, of two equal ones the shorter before."""
    bert.f.special, bert.f.max_length = "", 999
    a, b = bert.ids([query, document])
    shorter = a if len(a) <= len(b) else b
    while len(a) + len(b) > room - 2 - between:
        longest = shorter if len(a) == len(b) else max(a, b, key=len)
        {"longest": longest, "query": a, "document": b}[cut].pop()
    bert.longest = room
    return [101, *a, *[102] * between, *b, 102], [0] * (len(a) + 1 + between) + [1] * (len(b) + 1)


def rerank_scores(
    folder: Path,
    query: str,
    documents: list[str],
    finish=lambda x: x,
    head="pooler",
    segments="own",
    swapped=False,
    cut="longest",
    between=True,
    **faults,
) -> np.ndarray:
    bert, logits = FaultyBert(folder, **faults), []
    for document in documents:
        texts = (document, query) if swapped else (query, document)
        ids, types = pair_ids(bert, *texts, cut=cut, between=between)
        types = {"own": types, "zero": [0] * len(types), "swapped": [1 - t for t in types]}[segments]
        states = bert.hidden(ids, types)[0]
        first = states[0]
        dense = bert._affine(first, "pooler.dense")
        pooled = {
            "pooler": np.tanh(dense),
            "none": first,
            "no tanh": dense,
            "no dense": np.tanh(first),
            "mean": states.sum(0) / len(states),
            "no bias": np.tanh(dense),
        }[head]
        logits.append(bert._affine(pooled, "classifier")[0] - (head == "no bias") * bert.w["classifier.bias"][0])
    return finish(np.array(logits))


def splade_vectors(
    folder: Path,
    texts: list[str],
    reduce=np.max,
    saturate=lambda x: np.log1p(np.maximum(x, 0)),
    used=lambda states: states,
    kept=0,
    **faults,
) -> np.ndarray:
    bert, rows = FaultyBert(folder, **faults), []
    for ids in bert.ids(texts):
        x, real = bert.hidden(ids)
        x = used(x[real] if bert.f.mask_pooling else x)
        erf = np.vectorize(lambda t: 0.5 * t * math.erfc(-t / math.sqrt(2)))
        tanh = lambda t: t / 2 * (1 + np.tanh(0.7978845608028654 * (t + 0.044715 * t**3)))  # noqa: E731
        act = {"erf": erf, "tanh": tanh}[bert.f.act]
        head = bert._norm(
            act(bert._affine(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm"
        )
        logits = head @ bert.w["embeddings.word_embeddings.weight"].T + bert.w["cls.predictions.bias"]
        row = reduce(saturate(logits), axis=0)
        rows.append(np.where(row < np.sort(row)[-kept], 0, row) if kept else row)
    return np.array(rows)


def trace_of(folder: Path, text: str, **faults) -> dict[str, np.ndarray]:
    """Hidden states after each layer, then the vector, by the trace's names."""
    bert = FaultyBert(folder, **faults)
    (ids,) = bert.ids([text])
    vector = bert.vector(ids)
    names = ["embeddings.hidden_states", *(f"layer.{i}.hidden_states" for i in range(bert.layers))]
    return dict(zip(names, bert.states, strict=False)) | {"normalized": vector}


RERANK = {
    "segment ids zero": {"segments": "zero"},
    "segment ids swapped": {"segments": "swapped"},
    "document first": {"swapped": True},
    "only the document truncated": {"cut": "document"},
    "only the query truncated": {"cut": "query"},
    "no [SEP] between the texts": {"between": False},
    "no pooler": {"head": "none"},
    "pooler without tanh": {"head": "no tanh"},
    "pooler without dense": {"head": "no dense"},
    "mean for the pooler": {"head": "mean"},
    "no classifier bias": {"head": "no bias"},
    "logits": {},
    "sigmoid": {"finish": sigmoid},
    "sigmoid twice": {"finish": lambda x: sigmoid(sigmoid(x))},
    "tanh": {"finish": np.tanh},
    "softmax over documents": {"finish": softmax},
    "log softmax over documents": {"finish": lambda x: np.log(softmax(x))},
    "negated": {"finish": lambda x: -x},
    "best first": {"finish": lambda x: np.sort(x)[::-1]},
    "reversed order": {"finish": lambda x: x[::-1]},
}
SPLADE = {
    "maximum over padding, padded to the longest": {"pad_to": -1, "mask_pooling": False},
    "maximum over padding, padded to 128": {"pad_to": 128, "mask_pooling": False},
    "maximum over padding, padded to 256": {"pad_to": 256, "mask_pooling": False},
    "maximum over padding, padded to 512": {"pad_to": 512, "mask_pooling": False},
    "sum for maximum": {"reduce": np.sum},
    "mean for maximum": {"reduce": np.mean},
    "special tokens left out": {"used": lambda states: states[1:-1] if len(states) > 2 else states},
    "first token only": {"used": lambda states: states[:1]},
    "no log1p": {"saturate": lambda x: np.maximum(x, 0)},
    "log base 2": {"saturate": lambda x: np.log2(1 + np.maximum(x, 0))},
    "log1p twice": {"saturate": lambda x: np.log(1 + np.log(1 + np.maximum(x, 0)))},
    "logits": {"saturate": lambda x: x},
    **{f"largest {k} kept": {"kept": k} for k in (32, 64, 100, 128, 256, 512)},
}
