"""Small models of every architecture whose weights follow from a seed and the tensors' names: nothing to store.

Tensor number i in the order of names is PCG64(seed + i)'s raw 64-bit draws, the upper 24 bits of each read as a number
in [-1, 1) and multiplied by a power of two, so that float32 holds it exactly; weights of layer norms are one plus that.
"""

import json
from pathlib import Path
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
    """Whose special tokens the architecture's own tokenizers have."""
    return "bert" if kind in ("bert", "distilbert", "albert") else "roberta"


def published() -> dict[str, Any]:
    """Each architecture's config.json and the names and shapes of its tensors, as transformers writes them."""
    from refimpl.resources import data_path

    return json.loads((data_path("vectors") / "family" / "models.json").read_text())


def model_folder(folder: Path, kind: str) -> Path:
    """The model folder of `torch_folder`, written without torch, in float32."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model = published()[kind]
    (folder / "config.json").write_text(json.dumps(model["config"]))
    save_file(weights({name: tuple(shape) for name, shape in model["tensors"].items()}), folder / "model.safetensors")
    tokenizer(folder, family_of(kind))
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

    def text(said: str) -> bytes:
        return b"X" + struct.pack("<I", len(said.encode())) + said.encode()

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
    given = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        states = model(**given).last_hidden_state
        by_token, late = (states @ head["weight"].double().T + head["bias"].double() for head in heads.values())
    dense, late = (unit(states[:, 0], dim=-1), unit(late, dim=-1)) if normalize else (states[:, 0], late)
    sparse = torch.zeros(len(texts), model.config.vocab_size, dtype=torch.float64)
    sparse.scatter_reduce_(1, given["input_ids"], torch.relu(by_token)[..., 0] * given["attention_mask"], "amax")
    sparse[:, [splitter.cls_token_id, splitter.eos_token_id, splitter.pad_token_id, splitter.unk_token_id]] = 0
    lengths = given["attention_mask"].sum(dim=1).tolist()
    return dense.numpy(), sparse.numpy(), [text[1:n].numpy() for text, n in zip(late, lengths, strict=True)]
