"""BGE-M3 in torch: the arithmetic of Chen et al. 2024, section 3.2, on batches sorted by length, float32.

The library behind pymilvus.model's function, FlagEmbedding, is not among the peers; it does the same on the same torch,
and then gathers the lexical weights token by token in Python, where this takes one `scatter_reduce` a batch.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from bench import peers

BATCH_SIZE = 16  # pymilvus.model's default
Vectors = dict[str, Any]


def torch_encoder(folder: Path, threads: int, max_length: int) -> Callable[[list[str]], Vectors] | None:
    """Dense, sparse and token vectors by name, as refimpl's function gives them."""
    torch, transformers = peers.get("torch"), peers.get("transformers")
    if torch is None or transformers is None:
        return None
    torch.set_num_threads(threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    heads = [torch.load(folder / f"{name}_linear.pt", weights_only=True) for name in ("sparse", "colbert")]
    unweighted = [tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id]
    unit = torch.nn.functional.normalize

    def batch(texts: list[str]) -> Vectors:
        given = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
        mask = given["attention_mask"]
        states = model(input_ids=given["input_ids"], attention_mask=mask).last_hidden_state
        by_token, late = (torch.nn.functional.linear(states, head["weight"], head["bias"]) for head in heads)
        sparse = torch.zeros(len(texts), model.config.vocab_size)
        sparse.scatter_reduce_(1, given["input_ids"], torch.relu(by_token[..., 0]) * mask, "amax")
        sparse[:, unweighted] = 0
        late = unit(late, dim=-1).numpy()
        tokens = [vectors[1:n] for vectors, n in zip(late, mask.sum(dim=1).tolist(), strict=True)]
        dense = unit(states[:, 0], dim=-1).numpy()
        return {"dense": dense, "sparse": csr_array(sparse.numpy()), "colbert_vecs": tokens}

    def encode(texts: list[str]) -> Vectors:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        groups = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
        with torch.inference_mode():
            parts = [batch([texts[i] for i in group]) for group in groups]
        back = np.argsort(order)
        tokens = [vectors for part in parts for vectors in part["colbert_vecs"]]
        return {
            "dense": np.concatenate([part["dense"] for part in parts])[back],
            "sparse": csr_array(vstack([part["sparse"] for part in parts], format="csr")[back]),
            "colbert_vecs": [tokens[i] for i in back],
        }

    return encode
