"""Small models of every architecture with weights computed from a seed and the tensors' names.

Tensor number i in the order of names is PCG64(seed + i)'s raw 64-bit draws, the upper 24 bits of each read as a number
in [-1, 1) and multiplied by a power of two, so that float32 holds it exactly; weights of layer norms are one plus that.
"""

import contextlib
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ONNX = Path(__file__).parents[1] / "dense" / "onnx"
"""A small ALBERT with model.onnx, written by data/regenerate/onnx_graph.py."""
REGENERATE = Path(__file__).parents[2] / "data" / "regenerate"
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
ROTARY = {**SIZES, "intermediate_size": 48}
HEADS = {"num_key_value_heads": 2, "head_dim": 16}
TODAY: dict[str, dict[str, Any]] = {
    "modernbert": {
        **ROTARY,
        "num_hidden_layers": 4,
        "local_attention": 8,
        **{"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
    },
    "qwen3": {**ROTARY, **HEADS},
    "t5": {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 12, "d_ff": 48},
    "gemma3_text": {
        **ROTARY,
        **HEADS,
        "num_hidden_layers": 4,
        "use_bidirectional_attention": True,
        "sliding_window": 8,
        "query_pre_attn_scalar": 24,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "nomic_bert": ROTARY,
    "gte": ROTARY,
    "jina_bert": {
        **ROTARY,
        **{"model_type": "bert", "position_embedding_type": "alibi", "feed_forward_type": "geglu"},
        **{"max_position_embeddings": 200, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "num_attention_heads": 6},
        **{"hidden_size": 36, "vocab_size": 90},
    },
    "jina_embeddings_v3": ROTARY,
}
"""Encoders since 2022; jina_bert is computed by data/regenerate/jina_bert.py, the others by transformers."""
CONFIGS |= TODAY
HEADED = sorted(set(CONFIGS) - {"qwen3", "gemma3_text", "t5", "jina_bert"})
"""Those with a masked-LM head and a classifier, here of `LABELS` labels."""
LABELS = 3
HEAD_LENGTH = 8
VOCABULARY = 90
GOLDEN_LENGTHS = [40, 3]
SPLADE_TEXTS = [
    "does the fish purr like a cat?",
    "a cat is a feline and likes to purr",
    "Where was Alan Turing born?",
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "install a package from a wheel without a network",
    "iron",
    "",
    "naïve café, größer, 東京 🙂",
    "ValueError: could not convert string to float",
    "the the the the the",
]


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


def torch_model(kind: str, make: str = "AutoModel", seed: int = 1, **changes: Any) -> Any:
    """The model in float64, eager attention, as transformers or data/regenerate computes it; `seed` draws weights."""
    import torch
    import transformers

    with float64_throughout():
        if kind == "jina_bert":
            model = runpy.run_path(str(REGENERATE / "jina_bert.py"))["JinaBert"](CONFIGS[kind])
        else:
            config = transformers.AutoConfig.for_model(kind, **{**CONFIGS[kind], "vocab_size": VOCABULARY, **changes})
            encoder_only = kind == "t5" and make == "AutoModel"
            which = transformers.T5EncoderModel if encoder_only else getattr(transformers, make)
            build = which._from_config if encoder_only else which.from_config
            model = build(config, attn_implementation="eager").double().eval()
    drawn = weights({name: tuple(tensor.shape) for name, tensor in parameters(model).items()}, seed)
    model.load_state_dict({name: torch.tensor(array).double() for name, array in drawn.items()}, strict=False)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model


def described(model: Any) -> dict[str, Any]:
    """What `published` has of a model of `torch_model`."""
    config = model.settings if hasattr(model, "settings") else model.config.to_dict()
    shapes = {name: list(tensor.shape) for name, tensor in parameters(model).items()}
    kept = {key: value for key, value in config.items() if key not in ("transformers_version", "dtype")}
    return {"config": kept, "tensors": dict(sorted(shapes.items()))}


def parameters(model: Any) -> dict[str, Any]:
    """The model's floating-point tensors by name, those that share memory once, as `save_pretrained` names them."""
    state = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    tied = getattr(model, "_tied_weights_keys", None) or ()
    names: dict[int, str] = {}
    for name in sorted(state, key=lambda name: name in tied):
        names.setdefault(state[name].data_ptr(), name)
    return {name: state[name] for name in names.values()}


@contextlib.contextmanager
def float64_throughout() -> Iterator[None]:
    """Within, what transformers computes in float32 whatever the model's dtype is computed in float64.

    Rotary angles, RMS norms and softmax are; a comparison in float64 would else end at float32's precision.
    """
    import safetensors.torch  # noqa: F401 - this and the next build their tables of dtypes on import
    import torch
    import transformers.modeling_utils  # noqa: F401

    kept = torch.float, torch.float32, torch.Tensor.float
    torch.float = torch.float32 = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float, torch.float32, torch.Tensor.float = kept
        torch.set_default_dtype(torch.float32)


SENTENCE = "a reranker reads the query and each document of mars is red planet fox dog jumps over naïve"
WORDS = [*SENTENCE.split(), "火", "星", "##s", "##er"]
SPECIAL = {
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
}
TEXTS = [
    "",
    "Mars is a red planet",
    "the quick fox jumps over the dog, 火星",
    "a reranker reads the query and each document of the query " * 4,
    "naïve readers",
]


def tokenizer(folder: Path, family: str = "bert") -> None:
    """tokenizer.json and its companions: word pieces of `WORDS` between BERT's or RoBERTa's special tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = SPECIAL[family]
    pad, unknown, first, last = special[:4] if family == "bert" else (special[1], special[3], special[0], special[2])
    letters = sorted(set("abcdefghijklmnopqrstuvwxyzï,"))
    vocabulary = [*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    ids = {piece: i for i, piece in enumerate(dict.fromkeys(vocabulary))}
    made = Tokenizer(models.WordPiece(ids, unk_token=unknown))
    made.normalizer = normalizers.BertNormalizer(strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(t, ids[t]) for t in (first, last)],
    )
    made.add_special_tokens(special)
    made.save(str(folder / "tokenizer.json"))
    roles = {"cls_token": first, "sep_token": last, "pad_token": pad, "unk_token": unknown}
    ends = {"bos_token": first, "eos_token": last} if family == "roberta" else {}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 40}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind | roles | ends))


def family_of(kind: str) -> str:
    """The family of special tokens of the architecture's published tokenizers."""
    return (
        "roberta" if kind in ("roberta", "xlm-roberta", "camembert", "mpnet", "gte", "jina_embeddings_v3") else "bert"
    )


def published() -> dict[str, Any]:
    """Each architecture's config.json and the names and shapes of its tensors, as transformers writes them."""
    from refimpl.common.resources import data_path

    folder = data_path("vectors") / "family"
    return {
        name: model
        for file in sorted(folder.glob("*models.json"))
        for name, model in json.loads(file.read_text()).items()
    }


def model_folder(folder: Path, kind: str, head: str = "") -> Path:
    """The model folder of `torch_folder`, written without torch, in float32.

    `head` is "", "MaskedLM" or "SequenceClassification".
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model = published()[f"{kind}/{head}" if head else kind]
    (folder / "config.json").write_text(json.dumps(model["config"]))
    save_file(weights({name: tuple(shape) for name, shape in model["tensors"].items()}), folder / "model.safetensors")
    tokenizer(folder, family_of(kind))
    return folder


LORA = {"lora_adaptations": ["retrieval.query", "retrieval.passage", "separation"], "lora_rank": 4, "lora_alpha": 1}
TASK = "retrieval.passage"


def adapters(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """jina-embeddings-v3's adapters of every map and table among the `stored` tensors, by their published names."""
    tasks, rank = len(LORA["lora_adaptations"]), LORA["lora_rank"]
    shapes: Shapes = {}
    for name, tensor in stored.items():
        if name.endswith(".weight") and tensor.ndim == 2:
            stem = f"{name.removesuffix('.weight')}.parametrizations.weight.0.lora_"
            out_features, in_features = tensor.shape
            pair = ((tasks, rank, in_features), (tasks, out_features, rank))
            if "embeddings" in name:  # rows of a table are looked up: A and B change places
                pair = ((tasks, out_features, rank), (tasks, rank, in_features))
            shapes |= {f"{stem}A": pair[0], f"{stem}B": pair[1]}
    return weights(shapes, 300)


def lora_folder(folder: Path) -> Path:
    """jina-embeddings-v3's own form of the small model: fused maps, adapters of three tasks, its config.json."""
    from safetensors.numpy import load_file, save_file

    model_folder(folder, "jina_embeddings_v3")
    split = load_file(folder / "model.safetensors")
    fused = {"mixer.Wqkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")}
    renamed = {"self_attn.o_proj": "mixer.out_proj", "post_attention_layernorm": "norm1", "post_mlp_layernorm": "norm2"}
    renamed |= {"embeddings.LayerNorm": "emb_ln", "layers.": "encoder.layers."}
    stored = {}
    for name, tensor in split.items():
        for new, parts in fused.items():
            if parts[0] in name:
                tensor = np.concatenate([split[name.replace(parts[0], part)] for part in parts])
                name = name.replace(parts[0], new)
        if not any(part in name for part in fused["mixer.Wqkv"]):
            for old, new in renamed.items():
                name = name.replace(old, new)
            stored[name] = tensor
    low_rank = adapters(stored)
    for name in [name for name, tensor in stored.items() if name.endswith(".weight") and tensor.ndim == 2]:
        stored[name.replace(".weight", ".parametrizations.weight.original")] = stored.pop(name)
    save_file({f"roberta.{name}": tensor for name, tensor in (stored | low_rank).items()}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    theta = config.pop("rope_parameters")["rope_theta"]
    own = {"model_type": "xlm-roberta", "position_embedding_type": "rotary", "rotary_emb_base": theta}
    (folder / "config.json").write_text(json.dumps({**config, **own, **LORA, "lora_main_params_trainable": False}))
    return folder


JINA_PROMPTS = {"retrieval.query": "the query: ", "retrieval.passage": "each document: "}


def lora_sentences(folder: Path) -> Path:
    """`lora_folder` with the modules that jina-embeddings-v3 publishes around it, its own Transformer among them."""
    sentence_folder(lora_folder(folder), {"pooling_mode_mean_tokens": True}, ("Normalize", {}), prompts=JINA_PROMPTS)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= {"type": "custom_st.Transformer", "kwargs": ["task"]}
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def torch_folder(folder: Path, kind: str) -> Path:
    """A model folder as transformers saves it, with a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    torch_model(kind).save_pretrained(folder)
    tokenizer(folder, family_of(kind))
    return folder


def sentence_folder(folder: Path, pooling: dict[str, Any], *more: tuple[str, dict[str, Any]], **config: Any) -> Path:
    """What sentence-transformers publishes around a model folder: modules.json and each module's own config.json."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    modules += [(kind, f"{2 + i}_{kind}") for i, (kind, _) in enumerate(more)]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    hidden = {"word_embedding_dimension": 32}
    for (_, path), settings in zip(modules[1:], [hidden | pooling, *(settings for _, settings in more)], strict=True):
        (folder / path).mkdir(exist_ok=True)
        (folder / path / "config.json").write_text(json.dumps(settings))
    if config:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    return folder


def dense(folder: Path, into: int, out: int, *, bias: bool = True, residual: bool = False, seed: int = 50) -> None:
    """model.safetensors of a Dense module."""
    from safetensors.numpy import save_file

    shapes = {"linear.weight": (out, into)} | ({"linear.bias": (out,)} if bias else {})
    folder.mkdir(exist_ok=True)
    save_file(
        weights(shapes | ({"residual.weight": (out, into)} if residual else {}), seed), folder / "model.safetensors"
    )


def save_torch(tensors: dict[str, np.ndarray], file: Path) -> None:
    """A zip archive as `torch.save` writes it for float32 tensors by name, by its published form and without torch."""
    import struct
    import zipfile

    def text(string: str) -> bytes:
        return b"X" + struct.pack("<I", len(string.encode())) + string.encode()

    def numbers(*values: int) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    pickled = b"\x80\x02}("
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, (name, tensor) in enumerate(tensors.items()):
            strides = [int(np.prod(tensor.shape[axis + 1 :])) for axis in range(tensor.ndim)]
            storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu")
            pickled += (
                text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers(tensor.size)[1:-1] + b"tQ"
            )
            pickled += b"K\x00" + numbers(*tensor.shape) + numbers(*strides) + b"\x89ccollections\nOrderedDict\n)RtR"
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(tensor, "<f4").tobytes())
        archive.writestr("archive/data.pkl", pickled + b"u.")
        archive.writestr("archive/version", "3\n")


BGE_M3_SHAPES = {"sparse": {"weight": (1, 32), "bias": (1,)}, "colbert": {"weight": (16, 32), "bias": (16,)}}


def bge_m3_folder(folder: Path) -> Path:
    """A small XLM-RoBERTa with BGE-M3's two heads, written without torch."""
    model_folder(folder, "xlm-roberta")
    for name, shapes in BGE_M3_SHAPES.items():
        save_torch(weights(shapes, 70), folder / f"{name}_linear.pt")
    return folder


def instructor_folder(folder: Path, **pooling: Any) -> Path:
    """A small T5 encoder with the modules of the Instructor models, 16 features wide at the end."""
    model_folder(folder, "t5")
    linear = {"in_features": 32, "out_features": 16, "bias": False}
    identity = {"activation_function": "torch.nn.modules.linear.Identity"}
    sentence_folder(
        folder, pooling or {"pooling_mode_mean_tokens": True}, ("Dense", linear | identity), ("Normalize", {})
    )
    dense(folder / "2_Dense", 32, 16, bias=False)
    return folder


def mgte_folder(folder: Path, prefix: str = "new.") -> Path:
    """A small GTE with a token classifier of one label, the encoder's tensors named as published, without torch."""
    from safetensors.numpy import load_file, save_file

    file = model_folder(folder, "gte") / "model.safetensors"
    encoder = {prefix + name: tensor for name, tensor in load_file(file).items()}
    head = {**weights({"classifier.weight": (1, 32)}, 60), "classifier.bias": np.ones(1, dtype=np.float32)}
    save_file(encoder | head, file)
    return folder


QWEN3_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
QWEN3_RERANKER = {"vocab_size": 300, "max_position_embeddings": 2000, "tie_word_embeddings": True}


def qwen3_tokenizer() -> Any:
    """Byte-level pieces as Qwen's, with "yes" and "no" as one piece each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ye", "yes", "no"]
    merges = [("y", "e"), ("ye", "s"), ("n", "o")]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(QWEN3_SPECIAL)
    return made


def qwen3_reranker_folder(folder: Path) -> Path:
    """A small Qwen3-Reranker, written without torch."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model = published()["qwen3"]
    words = {"embed_tokens.weight": (QWEN3_RERANKER["vocab_size"], SIZES["hidden_size"])}
    (folder / "config.json").write_text(json.dumps(model["config"] | QWEN3_RERANKER))
    shapes = {name: tuple(shape) for name, shape in model["tensors"].items()} | words
    save_file(weights(shapes), folder / "model.safetensors")
    qwen3_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": QWEN3_SPECIAL[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def model2vec_folder(folder: Path, dim: int = 8) -> Path:
    """A Model2Vec folder with a vector for each piece of `tokenizer`, of any length."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer(folder)
    pieces = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    save_file(weights({"embeddings": (pieces, dim)}, 90), folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def torch_bge_m3(folder: Path, texts: list[str], normalize: bool = True) -> tuple[Any, Any, list[Any]]:
    """Chen et al. 2024, section 3.2, in torch's float64 on a padded batch: dense, sparse as an array, token vectors."""
    import torch
    from torch.nn.functional import normalize as unit
    from transformers import AutoModel, AutoTokenizer

    splitter = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    heads = {name: torch.load(folder / f"{name}_linear.pt", weights_only=True) for name in BGE_M3_SHAPES}
    batch = splitter(texts, padding=True, truncation=True, return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
        by_token, late = (states @ head["weight"].double().T + head["bias"].double() for head in heads.values())
    dense, late = (unit(states[:, 0], dim=-1), unit(late, dim=-1)) if normalize else (states[:, 0], late)
    sparse = torch.zeros(len(texts), model.config.vocab_size, dtype=torch.float64)
    sparse.scatter_reduce_(1, inputs["input_ids"], torch.relu(by_token)[..., 0] * inputs["attention_mask"], "amax")
    sparse[:, [splitter.cls_token_id, splitter.eos_token_id, splitter.pad_token_id, splitter.unk_token_id]] = 0
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    return dense.numpy(), sparse.numpy(), [text[1:n].numpy() for text, n in zip(late, lengths, strict=True)]
