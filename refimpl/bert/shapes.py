"""Name and shape of every tensor that a configuration requires or allows."""

from pathlib import Path

from refimpl.bert.architectures import PROJECTION, RELATIVE_TABLE
from refimpl.bert.architectures.record import EMBEDDED, FINAL, HEAD_NORMS
from refimpl.bert.config import BertConfig
from refimpl.bert.files import WeightsError

Shapes = dict[str, tuple[int, ...]]

POSITION_IDS = "embeddings.position_ids"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
MOST_LAYERS = 1000  # of layers that share their weights, and so are not bounded by the number of tensors


def check_shapes(file: Path, config: BertConfig, stored: Shapes) -> None:
    """Raise WeightsError naming every tensor that is missing, unknown or misshapen for `config`."""
    if config.num_hidden_layers > max(len(stored), MOST_LAYERS):  # before billions of names are generated
        raise WeightsError(
            f"{file} holds {len(stored)} tensors, and its config.json has num_hidden_layers {config.num_hidden_layers}"
        )
    required = encoder_shapes(config)
    known = {**required, **head_shapes(config, stored)}
    missing = [name for name in known if name not in stored and (name in required or _other_half(name) in stored)]
    extra = [name for name in stored if name not in known]
    misshapen = [
        f"{name} {stored[name]}, expected {shape}"
        for name, shape in known.items()
        if name in stored and stored[name] != shape
    ]
    faults = {"missing": missing, "unknown": extra, "misshapen": misshapen}
    if listed := [f"{fault}: {some(names)}" for fault, names in faults.items() if names]:
        raise WeightsError(f"{file} does not fit its config.json; {'; '.join(listed)}")


def encoder_shapes(config: BertConfig) -> Shapes:
    """Name and shape of each tensor that the encoder must have."""
    hidden, narrow = config.hidden_size, config.embedding_width
    shapes: Shapes = {"embeddings.word_embeddings.weight": (config.vocab_size, narrow)}
    if config.has_positions:
        shapes["embeddings.position_embeddings.weight"] = (config.max_position_embeddings, narrow)
    if config.has_segments:
        shapes[TOKEN_TYPES] = (config.type_vocab_size, narrow)
    if config.embedding_size:
        shapes |= _dense(PROJECTION, hidden, narrow)
    if buckets := config.relative_attention_num_buckets:
        shapes[RELATIVE_TABLE] = (buckets, config.num_attention_heads)
    for name in config.stored_layers:
        shapes |= {f"encoder.layer.{name}.{tensor}": shape for tensor, shape in layer_shapes(config).items()}
    for norm in (EMBEDDED, FINAL):
        if norm in config.norms:
            shapes |= _norm(norm, narrow if norm == EMBEDDED else hidden, config)
    return {name: shape for name, shape in shapes.items() if name.rpartition(".")[0] not in config.absent}


def layer_shapes(config: BertConfig) -> Shapes:
    """Name and shape of each tensor of a layer."""
    hidden, wide, head_dim = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * head_dim, config.key_value_heads * head_dim
    maps = {
        "attention.self.query": ("attention", queries, hidden),
        "attention.self.key": ("attention", keys, hidden),
        "attention.self.value": ("attention", keys, hidden),
        "attention.output.dense": ("attention", hidden, queries),
        **({"gate.dense": ("up", wide, hidden)} if config.gated else {}),
        "intermediate.dense": ("up", wide, hidden),
        "output.dense": ("down", hidden, wide),
    }
    shapes: Shapes = {}
    for name, (site, out_features, in_features) in maps.items():
        shapes |= _dense(name, out_features, in_features, bias=site in config.biases)
    for norm in config.norms:
        if norm not in (EMBEDDED, FINAL):
            shapes |= _norm(norm, head_dim if norm in HEAD_NORMS else hidden, config)
    return shapes


def head_shapes(config: BertConfig, stored: Shapes) -> Shapes:
    """Name and shape of each tensor that may be stored beside the encoder; labels are the classifier's rows."""
    hidden, vocab, narrow = config.hidden_size, config.vocab_size, config.embedding_width
    labels = stored.get("classifier.weight", stored.get("classifier.out_proj.weight", (1,)))[0]
    return {
        POSITION_IDS: (1, config.max_position_embeddings),
        **_dense("pooler.dense", hidden, hidden),
        **_dense("cls.predictions.transform.dense", narrow, hidden, bias="head" in config.biases),
        **_norm("cls.predictions.transform.LayerNorm", narrow, config),
        **_dense("cls.predictions.decoder", vocab, narrow, bias="decoder" in config.biases),
        **({"cls.predictions.bias": (vocab,)} if "decoder" in config.biases else {}),
        **_dense("cls.seq_relationship", 2, hidden),
        **_dense("classifier", labels, hidden),
        **_dense("classifier.dense", hidden, hidden),
        **_dense("classifier.out_proj", labels, hidden),
    }


def _other_half(name: str) -> str | None:
    """The bias that a head's weight needs, and the reverse; a masked-LM decoder may go without either."""
    stem, _, kind = name.rpartition(".")
    if stem == "cls.predictions.decoder":
        return None
    return f"{stem}.{'bias' if kind == 'weight' else 'weight'}"


def _dense(name: str, out_features: int, in_features: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out_features, in_features)} | ({f"{name}.bias": (out_features,)} if bias else {})


def _norm(name: str, features: int, config: BertConfig) -> Shapes:
    has_bias = config.norm == "layer_norm" and "norm" in config.biases
    names = [f"{name}.weight", f"{name}.bias"] if has_bias else [f"{name}.weight"]
    return dict.fromkeys(names, (features,))


def some(names: list[str], most: int = 8) -> str:
    """The first names, and the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
