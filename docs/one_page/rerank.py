"""A cross-encoder on one page: query and document are read together, and the output is their score.

    python rerank.py PATH_TO_MODEL "a query" "a document" "another document"

The folder has model.safetensors, config.json and tokenizer.json of a BERT with a classifier of one output, such as
cross-encoder/ms-marco-MiniLM-L6-v2. Needs numpy, safetensors and tokenizers. Prints the probability, the logit and
the document, best first. The encoder is that of minilm.py, line by line. Arithmetic is in float64.
"""

# Python's own modules, numpy, and the readers of the two published formats.
import json
import sys
from math import erf
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer


# **What is published.** Weights by name, settings, and a tokenizer.
def load(folder):
    # `bert.` precedes the encoder's names; `classifier` is the last linear map.
    tables = load_file(folder / "model.safetensors")
    weights = {name.removeprefix("bert."): table.astype(float) for name, table in tables.items()}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # A pair is truncated where the table of positions ends; the longer of both loses tokens first.
    tokenizer.enable_truncation(config["max_position_embeddings"], strategy="longest_first")
    tokenizer.no_padding()
    return tokenizer, weights, config


# **Linear map**, x Wᵀ + b. W has one row per output, so it is transposed. `[seq, in] -> [seq, out]`
def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


# **Layer normalisation** (Ba et al. 2016, equation 4). `[seq, hidden] -> [seq, hidden]`
def layer_norm(x, weights, name, eps):
    # Each token by itself: subtract the mean of its numbers,
    centred = x - x.mean(axis=-1, keepdims=True)
    # divide by their standard deviation; epsilon is inside the root, so that nothing is divided by zero,
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    # then a learned factor and a learned bias per column.
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


# **Softmax**: positive weights that sum to 1. Subtracting the maximum changes none of them, and `exp` cannot overflow.
def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# **GELU** (Hendrycks and Gimpel 2016, section 2): x times the probability that a standard normal number is below x.
# With `erf`; the paper's approximation by tanh is another function, and gives other vectors.
def gelu(x):
    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


# **Input** (Devlin et al. 2019, figure 2): a token's vector is the sum of three rows. `[seq] -> [seq, hidden]`
def embed(ids, segments, weights, eps):
    # The row of its id,
    words = weights["embeddings.word_embeddings.weight"][ids]
    # the row of its position, without which the order of the tokens would have no effect,
    positions = weights["embeddings.position_embeddings.weight"][: len(ids)]
    # and the row of its segment: 0, or 1 for the second text of a pair.
    types = weights["embeddings.token_type_embeddings.weight"][segments]
    return layer_norm(words + positions + types, weights, "embeddings.LayerNorm", eps)


# **Multi-head self-attention** (Vaswani et al. 2017, section 3.2). `[seq, hidden] -> [seq, hidden]`
def attention(x, weights, name, heads):
    # Three linear maps give each token a query, a key and a value; their columns are divided among the heads
    # (section 3.2.2). `[seq, hidden] -> [heads, seq, head_dim]`
    q, k, v = (
        linear(x, weights, f"{name}.self.{part}").reshape(len(x), heads, -1).swapaxes(0, 1)
        for part in ("query", "key", "value")
    )
    # Scaled dot products (equation 1): row i, column j is the score of token i for token j. The root of the width
    # keeps the softmax from saturating where heads are wide. `[heads, seq, seq]`
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
    # Each token's new vector is a weighted mean of all values; the heads are put side by side again, `[seq, hidden]`,
    context = (softmax(scores) @ v).swapaxes(0, 1).reshape(len(x), -1)
    # and a last linear map mixes them.
    return linear(context, weights, f"{name}.output.dense")


# **One layer** (Vaswani et al. 2017, section 3.1): attention, then a feed-forward network. Each adds to its input
# (a residual connection), and the sum is normalised. `[seq, hidden] -> [seq, hidden]`
def encoder_layer(x, weights, name, config):
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    attended = attention(x, weights, f"{name}.attention", heads)
    x = layer_norm(x + attended, weights, f"{name}.attention.output.LayerNorm", eps)
    # Feed-forward (section 3.3): each token by itself, to four times as many columns and back, GELU between.
    wide = gelu(linear(x, weights, f"{name}.intermediate.dense"))
    forward = linear(wide, weights, f"{name}.output.dense")
    return layer_norm(x + forward, weights, f"{name}.output.LayerNorm", eps)


# **The encoder**: the input, then layer after layer. `[seq] -> [seq, hidden]`
def encode(ids, segments, weights, config):
    x = embed(ids, segments, weights, config["layer_norm_eps"])
    for number in range(config["num_hidden_layers"]):
        x = encoder_layer(x, weights, f"encoder.layer.{number}", config)
    return x


# **The score of a pair** (Nogueira and Cho 2019, section 2). `str, str -> float`
def logit(query, document, tokenizer, weights, config):
    # One input: `[CLS] query [SEP] document [SEP]`. The query and the first `[SEP]` are segment 0, the rest segment 1.
    tokens = tokenizer.encode(query, document)
    states = encode(tokens.ids, tokens.type_ids, weights, config)
    # BERT's pooler, which is in its code and not in its paper: a linear map and tanh of the state of `[CLS]`,
    pooled = np.tanh(linear(states[:1], weights, "pooler.dense"))
    # and a last linear map to one number. Converters that leave the pooler out order documents wrongly.
    return linear(pooled, weights, "classifier")[0, 0]


# **A probability** (the sigmoid): it changes no order, and lets scores of different queries be compared.
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# **From the command line**: one pass of the network per pair; nothing can be computed before the query is known.
# Of equal scores the earlier document is first.
def main(folder, query, *documents):
    model = load(Path(folder))
    logits = np.array([logit(query, document, *model) for document in documents])
    for number in np.argsort(-logits, kind="stable"):
        print(f"{sigmoid(logits[number]):.6f}  {logits[number]:+.6f}  {documents[number]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
