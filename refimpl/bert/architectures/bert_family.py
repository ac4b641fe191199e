"""Models that differ from BERT in names, settings and single steps.

RoBERTa (Liu et al. 2019) and XLM-RoBERTa count positions from pad_token_id + 1. DistilBERT (Sanh et al. 2019) has no
segments. MPNet (Song et al. 2020) has no segments either and adds to the attention scores a bias by relative position.
ALBERT (Lan et al. 2020) has narrow embedding tables, a projection to the hidden size, and layers that share weights.
Everything else is `bert/forward.py`, under BERT's names for tensors and settings.
"""

from refimpl.bert.architectures.record import Architecture

PROJECTION = "embeddings.projection"

LM_HEAD = {
    "lm_head.dense": "cls.predictions.transform.dense",
    "lm_head.layer_norm": "cls.predictions.transform.LayerNorm",
    "lm_head.decoder": "cls.predictions.decoder",
    "lm_head.bias": "cls.predictions.bias",
}
GELU_HEAD = {"head_act": "gelu"}  # whatever hidden_act is
_NO_SEGMENTS = {"type_vocab_size": 2, "has_segments": False}

BERT = Architecture(prefixes=("bert.", "model."))
ROBERTA = Architecture(
    prefixes=("roberta.", "model."),
    tensors=LM_HEAD,
    fixed=GELU_HEAD,
    default_pad=1,
    first_position=lambda pad_token_id: pad_token_id + 1,
)
DISTILBERT = Architecture(
    prefixes=("distilbert.", "model."),
    tensors={
        "transformer.layer": "encoder.layer",
        "attention.q_lin": "attention.self.query",
        "attention.k_lin": "attention.self.key",
        "attention.v_lin": "attention.self.value",
        "attention.out_lin": "attention.output.dense",
        "sa_layer_norm": "attention.output.LayerNorm",
        "ffn.lin1": "intermediate.dense",
        "ffn.lin2": "output.dense",
        "output_layer_norm": "output.LayerNorm",
        "vocab_transform": "cls.predictions.transform.dense",
        "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
        "vocab_projector": "cls.predictions.decoder",
        "pre_classifier": "classifier.dense",
    },
    settings={
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
    },
    fixed={**_NO_SEGMENTS, "layer_norm_eps": 1e-12},
)
MPNET = Architecture(
    prefixes=("mpnet.", "model."),
    tensors={
        "attention.attn.q": "attention.self.query",
        "attention.attn.k": "attention.self.key",
        "attention.attn.v": "attention.self.value",
        "attention.attn.o": "attention.output.dense",
        "attention.LayerNorm": "attention.output.LayerNorm",
        **LM_HEAD,
    },
    more=("relative_attention_num_buckets",),
    fixed={**_NO_SEGMENTS, **GELU_HEAD},
    default_pad=1,
    first_position=lambda pad_token_id: 2,  # whatever the padding is
)
ALBERT = Architecture(
    prefixes=("albert.", "model."),
    tensors={
        "encoder.embedding_hidden_mapping_in": PROJECTION,
        "encoder.albert_layer_groups": "encoder.layer",
        "albert_layers": "",
        "attention.query": "attention.self.query",
        "attention.key": "attention.self.key",
        "attention.value": "attention.self.value",
        "attention.dense": "attention.output.dense",
        "attention.LayerNorm": "attention.output.LayerNorm",
        "ffn": "intermediate.dense",
        "ffn_output": "output.dense",
        "full_layer_layer_norm": "output.LayerNorm",
        "pooler": "pooler.dense",
        "predictions.dense": "cls.predictions.transform.dense",
        "predictions.LayerNorm": "cls.predictions.transform.LayerNorm",
        "predictions.decoder": "cls.predictions.decoder",
        "predictions.bias": "cls.predictions.bias",
        "sop_classifier.classifier": "cls.seq_relationship",
    },
    more=("embedding_size", "num_hidden_groups", "inner_group_num"),
    irrelevant=frozenset({"down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"}),
)

FAMILY: dict[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "albert": ALBERT,
}
"""By config.json's `model_type`."""
