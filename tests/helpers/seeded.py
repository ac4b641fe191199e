"""Small models of every architecture whose weights follow from a seed and the tensors' names: nothing to store.

Tensor number i in the order of names is PCG64(seed + i)'s raw 64-bit draws, the upper 24 bits of each read as a number
in [-1, 1) and multiplied by a power of two, so that float32 holds it exactly; weights of layer norms are one plus that.
"""

from typing import Any

import numpy as np

Shapes = dict[str, tuple[int, ...]]
SCALE = 0.25

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {**SIZES, "max_position_embeddings": 200},
    "roberta": {**SIZES, "max_position_embeddings": 202, "type_vocab_size": 1},
    "xlm-roberta": {**SIZES, "max_position_embeddings": 202, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "camembert": {**SIZES, "max_position_embeddings": 202, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 200},
    "mpnet": {**SIZES, "max_position_embeddings": 202, "layer_norm_eps": 1e-5},
    "albert": {
        **SIZES,
        "num_hidden_layers": 3,
        "num_hidden_groups": 2,
        "inner_group_num": 2,
        "embedding_size": 16,
        "max_position_embeddings": 200,
    },
}
VOCABULARY = 90


def weights(shapes: Shapes, seed: int = 1) -> dict[str, np.ndarray]:
    """A float32 array for each name, by the rule above."""
    return {name: _tensor(name, shapes[name], seed + i) for i, name in enumerate(sorted(shapes))}


def _tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    drawn = (raw >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0
    is_norm = "norm" in name.lower() and name.endswith("weight")
    return (SCALE * drawn + is_norm).reshape(shape).astype(np.float32)


def token_ids(lengths: list[int], seed: int = 100) -> list[np.ndarray]:
    """Ids of the vocabulary without its first five, which are special in every model here."""
    return [np.random.PCG64(seed + i).random_raw(n) % np.uint64(VOCABULARY - 5) + 5 for i, n in enumerate(lengths)]


def torch_model(kind: str, make: str = "AutoModel", **changes: Any) -> Any:
    """The model as transformers computes it, in float64, eager attention."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(kind, **{**CONFIGS[kind], "vocab_size": VOCABULARY, **changes})
    model = getattr(transformers, make).from_config(config, attn_implementation="eager").double().eval()
    state = model.state_dict()
    drawn = weights({name: tuple(tensor.shape) for name, tensor in state.items() if tensor.is_floating_point()})
    model.load_state_dict({name: torch.tensor(array).double() for name, array in drawn.items()}, strict=False)
    model.tie_weights()
    return model
