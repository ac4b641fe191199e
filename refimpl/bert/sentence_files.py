"""The files that sentence-transformers adds to a model folder, read key by key.

modules.json, sentence_bert_config.json and config_sentence_transformers.json. Every key is honoured, known not to
change a number, or refused by file and key.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from refimpl.bert.files import WeightsError, read_json, read_list
from refimpl.tokens.settings import sentence_config

Module = tuple[str, Path]
"""A module's class, without its package, and its folder."""
LENGTHS = {"query": "query_length", "document": "document_length"}
"""The key of sentence_bert_config.json with the maximum length of each task."""
WITH_TASKS = "custom_st.Transformer"
"""jina-embeddings-v3's own module, Transformer with the keyword task; other models have modules of this name too."""
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan", None)
HONOURED = frozenset({"model_type", "prompts", "default_prompt_name"})
IRRELEVANT = frozenset({"__version__", "requirements"})
"""Keys of config_sentence_transformers.json that change no number: of the library's versions."""
KINDS = {
    "SentenceTransformer": ("truncate_dim",),
    "SparseEncoder": ("max_active_dims",),
    "CrossEncoder": ("activation_fn",),
}
"""The further keys of config_sentence_transformers.json by model_type."""
ONLY: dict[str, tuple[Any, ...]] = {
    "similarity_fn_name": SIMILARITIES,  # vectors are returned, not compared
    "keep_in_fp32_modules": ([], None),
}
TRANSFORMER_KEYS = frozenset({"max_seq_length", "do_lower_case", *LENGTHS.values()})
TRANSFORMER_ONLY: dict[str, tuple[Any, ...]] = {
    "unpad_inputs": (None, True, False),  # padding is masked, so its absence changes nothing
    "query_expansion": (None,),
    **dict.fromkeys(("tokenizer_name_or_path", "backend"), (None,)),
    **dict.fromkeys(("processing_kwargs", "model_kwargs", "processor_kwargs", "config_kwargs"), ({}, None)),
    **dict.fromkeys(("model_args", "tokenizer_args", "config_args"), ({}, None)),
}
TASKS: dict[str, tuple[str, str, str]] = {
    "SentenceTransformer": ("feature-extraction", "token_embeddings", "last_hidden_state"),
    "SparseEncoder": ("fill-mask", "token_embeddings", "logits"),
    "CrossEncoder": ("sequence-classification", "scores", "logits"),
}
"""transformer_task, module_output_name and method_output_name of each model_type."""
FROM_A_FOLDER = ("trust_remote_code",)
"""Keys inside `model_args` and its like that sentence-transformers removes when it reads a folder."""
REFUSED_FILES = {"adapter_config.json": "merge the adapter into the weights and save the model"}
"""Files of a Transformer module whose effect is not computed here, and what to do."""


def check_keys(
    file: Path, config: Mapping[str, Any], honoured: Iterable[str], only: Mapping[str, tuple[Any, ...]] | None = None
) -> None:
    """Raise WeightsError for a key that is not honoured, or, in `only`, has another than its supported values."""
    known, only = set(honoured), only or {}
    for key, value in config.items():
        if key in only and not any(value == allowed and type(value) is type(allowed) for allowed in only[key]):
            supported = " or ".join(map(repr, only[key]))
            raise WeightsError(f"{file}: expected {key} {supported}, got {str(value)[:60]!r}: it is not supported")
        if key not in only and key not in known:
            names = ", ".join(sorted(known | only.keys())) or "none"
            raise WeightsError(f"{file}: expected keys of {names}, got {key} {str(value)[:60]!r}: remove the key")


def module_list(folder: Path) -> list[Module]:
    """Each module's class and folder, as modules.json lists them; WeightsError for code outside the library."""
    file = folder / "modules.json"
    modules = read_list(file)
    for module in modules:
        if not isinstance(module, dict):
            raise WeightsError(f"{file}: expected an object with a type and a path for each module, got {module!r:.80}")
        check_keys(file, module, ("idx", "name", "path", "type"), {"kwargs": ([], None, ["task"])})
    return [module_of(file, module.get("type"), module.get("path"), root=True) for module in modules]


def module_of(file: Path, kind: Any, path: Any, *, root: bool = False) -> Module:
    """The class and folder of a module that `file` lists; with `root` its folder may be that of `file`."""
    if not isinstance(kind, str) or not isinstance(path, str):
        raise WeightsError(f"{file}: expected a type and a path for each module, got {kind!r:.60} and {path!r:.60}")
    if not kind.startswith("sentence_transformers.") and not (kind == WITH_TASKS and _has_tasks(file.parent / path)):
        raise WeightsError(
            f"{file}: expected a module of sentence_transformers, got {kind}: code from a model folder is never run"
        )
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or ".." in parts or "\\" in path or not (parts or root):
        raise WeightsError(f"{file}: expected a path inside the folder, got {path!r}")
    return kind.rpartition(".")[2], file.parent / path


def _has_tasks(transformer: Path) -> bool:
    config = transformer / "config.json"
    return config.is_file() and "lora_adaptations" in read_json(config)


def check_files(transformer: Path) -> None:
    """Raise WeightsError for a file of a Transformer module whose effect is not computed here."""
    for name, advice in REFUSED_FILES.items():
        if (transformer / name).exists():
            raise WeightsError(f"{transformer / name}: expected no such file in a model folder: {advice}")


def transformer_settings(transformer: Path, kind: str, default_task: str = "feature-extraction") -> dict[str, Any]:
    """The sentence_bert_config.json of a Transformer module in a model of this `kind`.

    A file without a transformer_task has the `default_task` of the module's class.
    """
    check_files(transformer)
    file, published = sentence_config(transformer)
    settings = {key: _without_trust(value) if key in TRANSFORMER_ONLY else value for key, value in published.items()}
    settings.setdefault("transformer_task", default_task)
    task, output, method_output = TASKS[kind]
    modality = {"text": {"method": "forward", "method_output_name": method_output}}
    only = TRANSFORMER_ONLY | {
        "transformer_task": (task,),
        "module_output_name": (output,),
        "modality_config": (modality,),
    }
    check_keys(file, settings, TRANSFORMER_KEYS, only)
    for key in ("max_seq_length", *LENGTHS.values()):
        positive(file, settings, key)
    boolean(file, settings, "do_lower_case", default=False)
    return settings


def _without_trust(value: Any) -> Any:
    return {key: value[key] for key in value if key not in FROM_A_FOLDER} if isinstance(value, dict) else value


def sentence_settings(folder: Path, kind: str) -> dict[str, Any]:
    """config_sentence_transformers.json of a model of this `kind`; {} without modules.json beside it.

    sentence-transformers does not read it there either.
    """
    file = folder / "config_sentence_transformers.json"
    return read_sentence_settings(file, kind) if file.is_file() and (folder / "modules.json").is_file() else {}


def read_sentence_settings(file: Path, kind: str) -> dict[str, Any]:
    """Read a config_sentence_transformers.json; WeightsError for another kind of model and an unsupported key."""
    config = read_json(file)
    if (published := config.get("model_type", "SentenceTransformer")) != kind:
        raise WeightsError(f"{file}: expected model_type {kind!r}, got {published!r}: it is another kind of model")
    only = {key: values for key, values in ONLY.items() if key != "keep_in_fp32_modules" or kind == "CrossEncoder"}
    check_keys(file, config, (*HONOURED, *IRRELEVANT, *KINDS[kind]), only)
    return config


def read_prompts(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """The prompts by name and the name of the default one.

    Encoders have the prompts query and document, empty unless the folder gives them.
    """
    file = folder / "config_sentence_transformers.json"
    prompts = config.get("prompts", {})
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise WeightsError(f"{file}: expected prompts to be an object of str, got {str(prompts)[:80]!r}")
    named = {} if config.get("model_type") == "CrossEncoder" else dict.fromkeys(LENGTHS, "")
    named |= {name: text or "" for name, text in prompts.items()}
    default = config.get("default_prompt_name")
    if default is not None and default not in named:
        raise WeightsError(f"{file}: expected default_prompt_name to be one of its prompts, got {default!r}")
    return named, default


def positive(file: Path, config: Mapping[str, Any], key: str) -> int | None:
    """A positive integer or None; WeightsError for another value."""
    value = config.get(key)
    if value is not None and (type(value) is not int or value < 1):
        raise WeightsError(f"{file}: expected {key} to be a positive integer, got {value!r}")
    return value


def boolean(file: Path, config: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """True or false; WeightsError for another value."""
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise WeightsError(f"{file}: expected {key} true or false, got {value!r}")
    return value
