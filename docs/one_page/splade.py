"""SPLADE on one page: a text becomes weights of words, also of words that it does not contain.

    python splade.py PATH_TO_MODEL "a query" "a document" "another document"

The folder has model.safetensors, config.json and tokenizer.json of a BERT with a masked-LM head, such as
rasyosef/splade-tiny. Needs numpy, safetensors and tokenizers. Example, of that model's authors: the query
"does the fish purr like a cat?" scores "a cat is a feline and likes to purr" with 15.67.
The encoder is that of minilm.py, line by line; the steps of SPLADE come after it. Arithmetic is in float64.
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
    # Older files have the names of TensorFlow: gamma and beta for the norms' weight and bias. `bert.` precedes the
    # encoder's names, `cls.` the head's.
    old = ("gamma", "weight"), ("beta", "bias"), ("bert.", "")
    weights = {}
    for name, table in load_file(folder / "model.safetensors").items():
        for before, after in old:
            name = name.replace(before, after)
        weights[name] = table.astype(float)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # A text is truncated where the table of positions ends; one text at a time needs no padding.
    tokenizer.enable_truncation(config["max_position_embeddings"])
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


# **Masked-LM head** (Devlin et al. 2019, section 3.1, task 1): for each token a number per entry of the vocabulary,
# how well that entry fits at this place. `[seq, hidden] -> [seq, vocab]`
def logits(states, weights, eps):
    # A linear map, GELU and a norm,
    x = gelu(linear(states, weights, "cls.predictions.transform.dense"))
    x = layer_norm(x, weights, "cls.predictions.transform.LayerNorm", eps)
    # then the dot product with every row of the word embeddings, which the head shares with the input, and a bias.
    return x @ weights["embeddings.word_embeddings.weight"].T + weights["cls.predictions.bias"]


# **SPLADE's weights** (Formal et al. 2021, SPLADE v2, equation 6). `str -> [vocab]`, nearly all zero
def embedding(text, tokenizer, weights, config):
    tokens = tokenizer.encode(text)
    fitting = logits(encode(tokens.ids, tokens.type_ids, weights, config), weights, config["layer_norm_eps"])
    # The maximum over the tokens: fitting at one place is enough. (The first SPLADE took the sum.) Over the text's
    # own tokens only: pymilvus.model takes it over padding too.
    largest = fitting.max(axis=0)
    # Negative logits are no weight (relu); the logarithm keeps one large logit from determining the score.
    return np.log1p(np.maximum(largest, 0))


# **From the command line**: a score is the sum of the products of both weights, an inner product. Below each
# document, the pieces that contribute most.
def main(folder, query, *documents):
    tokenizer, weights, config = load(Path(folder))
    by_query = embedding(query, tokenizer, weights, config)
    for document in documents:
        products = by_query * embedding(document, tokenizer, weights, config)
        terms = [f"{tokenizer.id_to_token(i)} {products[i]:.2f}" for i in np.argsort(-products)[:5] if products[i]]
        print(f"{products.sum():8.4f}  {document}\n          {', '.join(terms)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
