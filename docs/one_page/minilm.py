"""all-MiniLM-L6-v2 on one page: from a text to its vector, in numpy.

    python minilm.py PATH_TO_MODEL "a text" "another text"

The folder is the published one: model.safetensors, config.json, tokenizer.json, sentence_bert_config.json.
Needs numpy, safetensors and tokenizers. Without a text, it embeds the three of the Milvus introduction, whose
published vector begins -0.0309392996 -0.0180662833 0.0134775648. Arithmetic is in float64; one text at a time, so
there is no padding and no attention mask.
"""

# Python's own modules, numpy, and the readers of the two published formats.
import json
import sys
from math import erf
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# The texts whose vectors Milvus' introduction of 2024 prints.
TEXTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]


# **What is published.** A table of numbers under each name (`weights`), a few settings (`config`), and a tokenizer.
def load(folder):
    # The names are `embeddings.word_embeddings.weight`, `encoder.layer.0.attention.self.query.weight` and so on.
    # They are stored in float32; every step below is in float64.
    tables = load_file(folder / "model.safetensors")
    weights = {name: table.astype(float) for name, table in tables.items()}
    # Number of layers (6), of attention heads (12), the epsilon of the norms (1e-12).
    config = json.loads((folder / "config.json").read_text("utf-8"))
    # The tokenizer lower-cases, removes accents, splits at whitespace and punctuation, and spells each word with the
    # longest pieces of a vocabulary of 30,522 (WordPiece: Wu et al. 2016, section 4.1).
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # tokenizer.json truncates at 128 tokens and pads to 128; the model was published to read 256, without padding.
    limits = json.loads((folder / "sentence_bert_config.json").read_text("utf-8"))
    tokenizer.enable_truncation(limits["max_seq_length"])
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


# **A vector for the text**. `str -> [hidden]`
def embedding(text, tokenizer, weights, config):
    # Ids of `[CLS]`, the pieces and `[SEP]`; a single text is all segment 0.
    tokens = tokenizer.encode(text)
    states = encode(tokens.ids, tokens.type_ids, weights, config)
    # Mean pooling (Reimers and Gurevych 2019, section 3): the mean of all tokens, `[CLS]` and `[SEP]` included.
    pooled = states.mean(axis=0)
    # Unit length, so that the dot product of two vectors is the cosine of their angle.
    return pooled / np.sqrt((pooled**2).sum())


# **From the command line**: a vector per line, and the cosines of the first text with all.
def main(folder, *texts):
    texts = texts or TEXTS
    model = load(Path(folder))
    vectors = np.array([embedding(text, *model) for text in texts])
    for text, vector, cosine in zip(texts, vectors, vectors @ vectors[0], strict=True):
        print(f"{text}\n  cosine with the first {cosine:.6f}  vector {np.array2string(vector[:6], precision=9)}...")


if __name__ == "__main__":
    main(*sys.argv[1:])
