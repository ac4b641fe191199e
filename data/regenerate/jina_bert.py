"""JinaBERT v2 in torch by its published description, for golden vectors: its own code is not part of transformers.

Günther et al. 2023, "Jina Embeddings 2", section 3: BERT with ALiBi in its bidirectional form (Press et al. 2022, a
slope per head times the absolute distance) instead of position embeddings, and a gated feed-forward (Shazeer 2020)
whose two first maps are one matrix without a bias. Names of tensors are those of jina-embeddings-v2-base-en.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn


def slopes(heads: int) -> list[float]:
    """Geometric from 2^(-8/n), with n a power of two; for other n, filled up from the sequence of 2 n."""
    if math.log2(heads).is_integer():
        start = 2.0 ** (-(2.0 ** -(math.log2(heads) - 3)))
        return [start * start**i for i in range(heads)]
    closest = 2 ** math.floor(math.log2(heads))
    return slopes(closest) + slopes(2 * closest)[0::2][: heads - closest]


class _Layer(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        hidden, wide, eps = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.heads = config["num_attention_heads"]
        maps = {name: nn.Linear(hidden, hidden) for name in ("query", "key", "value")}
        output = nn.ModuleDict({"dense": nn.Linear(hidden, hidden), "LayerNorm": nn.LayerNorm(hidden, eps)})
        self.attention = nn.ModuleDict({"self": nn.ModuleDict(maps), "output": output})
        self.mlp = nn.ModuleDict(
            {
                "gated_layers": nn.Linear(hidden, 2 * wide, bias=False),
                "wo": nn.Linear(wide, hidden),
                "layernorm": nn.LayerNorm(hidden, eps),
            }
        )

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        texts, tokens = x.shape[:2]
        q, k, v = (
            self.attention["self"][name](x).view(texts, tokens, self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1]) + bias
        context = torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v).transpose(1, 2).reshape(texts, tokens, -1)
        x = self.attention["output"]["LayerNorm"](self.attention["output"]["dense"](context) + x)
        gate, linear = self.mlp["gated_layers"](x).chunk(2, dim=-1)
        return self.mlp["layernorm"](self.mlp["wo"](nn.functional.gelu(gate) * linear) + x)


class JinaBert(nn.Module):
    """`model(input_ids=(batch, seq)).last_hidden_state`, without padding."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.settings = config
        hidden = config["hidden_size"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], hidden),
                "token_type_embeddings": nn.Embedding(config["type_vocab_size"], hidden),
                "LayerNorm": nn.LayerNorm(hidden, config["layer_norm_eps"]),
            }
        )
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))}
        )
        self.double().eval()

    def forward(self, input_ids: torch.Tensor) -> Any:
        """The last hidden state and those before it, as transformers names them."""
        from transformers.modeling_outputs import BaseModelOutput

        x = self.embeddings["word_embeddings"](input_ids) + self.embeddings["token_type_embeddings"].weight[0]
        states = [self.embeddings["LayerNorm"](x)]
        positions = torch.arange(input_ids.shape[1])
        distances = (positions[None, :] - positions[:, None]).abs()
        bias = -torch.tensor(slopes(self.settings["num_attention_heads"]))[:, None, None] * distances
        for layer in self.encoder["layer"]:
            states.append(layer(states[-1], bias[None]))
        return BaseModelOutput(last_hidden_state=states[-1], hidden_states=tuple(states))

    def save_pretrained(self, folder: Path) -> None:
        """config.json and model.safetensors."""
        from safetensors.torch import save_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in self.state_dict().items()},
            Path(folder) / "model.safetensors",
        )
        (Path(folder) / "config.json").write_text(json.dumps(self.settings))
