"""The tokenizer settings of a model folder, as transformers 5 and sentence-transformers read them.

Files: tokenizer_config.json; special_tokens_map.json and added_tokens.json where tokenizer_config.json has no
added_tokens_decoder; sentence_bert_config.json beside a modules.json; config.json. Every key is honoured, known not to
change a token id, or refused by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refimpl.common.json_reader import read_json
from refimpl.tokens.classes import AS_PUBLISHED, BY_MODEL_TYPE, CLASSES, TokenizerClass

NO_LIMIT = 1 << 30  # transformers writes 1e30 for "none"
MODULE_LISTS = ("modules.json", "router_config.json")
"""The files of sentence-transformers that list the modules in the folders beside them."""
SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Names of one file, in order of precedence; sentence-transformers once named it by the architecture."""
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
ENDS = ("add_bos_token", "add_eos_token")
"""Keys that are read only where there is no tokenizer.json, by the classes that take its ends from it."""
CLASS_KEYS = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "keep_accents")
HONOURED = frozenset(
    (
        *ROLES,
        *CLASS_KEYS,
        "tokenizer_class",
        "model_max_length",
        "max_len",
        "truncation_side",
        "model_input_names",
        "added_tokens_decoder",
        "additional_special_tokens",
        "extra_special_tokens",
        *ENDS,
    )
)
_LIBRARY = (
    "name_or_path special_tokens_map_file tokenizer_file full_tokenizer_file vocab_file merges_file backend is_local "
    "local_files_only processor_class transformers_version commit_hash _commit_hash device_map init_inputs use_fast"
)
_SLOW = "never_split do_basic_tokenize legacy from_slow sp_model_kwargs"  # of the slow tokenizers before version 5
_DECODING = "clean_up_tokenization_spaces trim_offsets errors spaces_between_special_tokens"
_GIVEN = (  # defaults of a call that sentence-transformers gives explicitly, and of padding, which is masked
    "max_length stride truncation_strategy truncation padding pad_to_multiple_of padding_side pad_token_type_id "
    "pad_token_id return_token_type_ids"
)
_CHAT = "use_default_system_prompt response_schema chat_template"  # of messages, not of texts
CHAT_TEMPLATE = "chat_template.jinja"
IRRELEVANT = frozenset(" ".join((_LIBRARY, _SLOW, _DECODING, _GIVEN, _CHAT)).split())
"""Keys that change no token id of a text that is encoded on its own. Padding is masked, so its side has no effect."""
ONLY: dict[str, tuple[Any, ...]] = {
    "split_special_tokens": (False, None),
    "auto_map": (None,),
    "fix_mistral_regex": (False, None),
    "extra_ids": (100,),
}
"""Keys with one supported meaning, and its values."""


@dataclass(frozen=True)
class TokenizerSettings:
    """What a folder's files determine about its tokenizer, beside tokenizer.json."""

    folder: Path
    kind: TokenizerClass | None
    """The class that rebuilds the tokenizer; None: tokenizer.json as it is."""
    keys: Mapping[str, Any]
    """The keys of tokenizer_config.json that the class reads."""
    special: Mapping[str, str]
    """Special tokens by role."""
    added: tuple[Mapping[str, Any], ...]
    """Tokens to add, as keywords of `tokenizers.AddedToken`."""
    ends: tuple[str, ...]
    """Roles of the tokens to add at the ends of a text where neither tokenizer.json nor the class adds any."""
    has_decoder: bool
    """Whether tokenizer_config.json lists the added tokens, so that those of tokenizer.json are not read."""
    segments: bool
    """Whether the model gets token_type_ids."""
    truncation_side: str | None
    """left or right; None: that of tokenizer.json."""
    max_length: int | None
    """The length that the folder publishes, if any."""

    def longest(self, positions: int | None) -> int:
        """The published length, at most `positions`; ValueError if there is neither."""
        lengths = [length for length in (self.max_length, positions) if length is not None]
        if not lengths:
            raise ValueError(f"expected a maximum length in {self.folder}, got none: give max_length")
        return min(lengths)


def read_settings(folder: Path) -> TokenizerSettings:
    """Read every file of `folder` that concerns its tokenizer, except tokenizer.json.

    Raises ValueError, which names file and key, for a setting that is not supported.
    """
    file = folder / "tokenizer_config.json"
    published, config = json_object(file), json_object(folder / "config.json")
    _check_keys(file, published)
    _check_chat_template(folder, published)
    has_decoder = "added_tokens_decoder" in published
    merged = published if has_decoder else published | json_object(folder / "special_tokens_map.json")
    kind = _class(folder, published, config)
    special = _special(kind, merged)
    names = published.get("model_input_names")
    side = published.get("truncation_side")
    if side not in (None, "left", "right"):
        raise ValueError(f"{file}: expected truncation_side left or right, got {side!r}")
    return TokenizerSettings(
        folder=folder,
        kind=kind,
        keys=_class_keys(file, kind, published),
        special=special,
        added=tuple(_added(folder, kind, merged, has_decoder)),
        ends=_ends(folder, published),
        has_decoder=has_decoder,
        segments="token_type_ids" in names if isinstance(names, list) else bool(kind and kind.segments),
        truncation_side=side,
        max_length=_max_length(folder, published, config),
    )


def _check_keys(file: Path, published: Mapping[str, Any]) -> None:
    for key, value in published.items():
        if key in ONLY:
            if not any(value == allowed and type(value) is type(allowed) for allowed in ONLY[key]):
                raise ValueError(f"{file}: expected {key} {ONLY[key][0]!r}, got {str(value)[:60]!r}: remove the key")
        elif key not in HONOURED and key not in IRRELEVANT and not (key.endswith("_token") and _content(value)):
            raise ValueError(f"{file}: expected only supported keys, got {key} {str(value)[:60]!r}: remove the key")


def _check_chat_template(folder: Path, published: Mapping[str, Any]) -> None:
    """Raise ValueError for a chat template without modules.json: sentence-transformers renders each text by it."""
    if _in_modules(folder):
        return
    if (folder / CHAT_TEMPLATE).is_file():
        raise ValueError(f"{folder / CHAT_TEMPLATE}: expected no chat template without modules.json: remove the file")
    if published.get("chat_template") is not None:
        file = folder / "tokenizer_config.json"
        raise ValueError(f"{file}: expected no chat_template without modules.json, got one: remove the key")


def _in_modules(folder: Path) -> bool:
    """Whether the folder is that of a module of sentence-transformers."""
    return any((place / name).is_file() for place in (folder, folder.parent) for name in MODULE_LISTS)


def _class(folder: Path, published: Mapping[str, Any], config: Mapping[str, Any]) -> TokenizerClass | None:
    """The class by transformers' AutoTokenizer: the folder's name for it, else that of the model type."""
    model_type = config.get("model_type")
    if model_type in AS_PUBLISHED:
        return None
    named = published.get("tokenizer_class") or config.get("tokenizer_class")
    name = str(named or BY_MODEL_TYPE.get(str(model_type), "TokenizersBackend")).removesuffix("Fast")
    if name not in CLASSES:
        file = folder / ("tokenizer_config.json" if published.get("tokenizer_class") else "config.json")
        raise ValueError(
            f"{file}: expected a tokenizer_class of {', '.join(CLASSES)}, got {named!r}: save the tokenizer with "
            "transformers 5 as TokenizersBackend"
        )
    return CLASSES[name]


def _class_keys(file: Path, kind: TokenizerClass | None, published: Mapping[str, Any]) -> dict[str, Any]:
    keys = {} if kind is None else {key: published.get(key, default) for key, default in kind.keys.items()}
    for key, value in keys.items():
        if not isinstance(value, bool) and not (value is None and key in ("strip_accents", "add_prefix_space")):
            raise ValueError(f"{file}: expected {key} true or false, got {value!r}")
    return keys


def _ends(folder: Path, published: Mapping[str, Any]) -> tuple[str, ...]:
    for key in ENDS:
        if not isinstance(published.get(key), bool | None):
            raise ValueError(
                f"{folder / 'tokenizer_config.json'}: expected {key} true or false, got {published[key]!r}"
            )
    if (folder / "tokenizer.json").is_file():
        return ()
    return tuple(key.removeprefix("add_") for key in ENDS if published.get(key))


def _special(kind: TokenizerClass | None, merged: Mapping[str, Any]) -> dict[str, str]:
    """The special token of each role; a class has defaults for those that its folder does not name."""
    special = {role: token for role, token in merged.items() if role.endswith("_token")}
    named = {role: _content(token) for role, token in special.items()}
    defaults = {} if kind is None else dict(kind.special)
    return defaults | {role: token for role, token in named.items() if token is not None}


def _content(token: Any) -> str | None:
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _added(
    folder: Path, kind: TokenizerClass | None, merged: Mapping[str, Any], has_decoder: bool
) -> Iterator[dict[str, Any]]:
    """The tokens that transformers adds, in its order: by id, then by role, then the additional ones."""
    file = folder / ("tokenizer_config.json" if has_decoder else "special_tokens_map.json")
    extra = _extra(file, merged)
    roles = {role: merged.get(role) for role in (*ROLES, *sorted(merged.keys() - set(ROLES)))}
    by_content = dict[str, dict[str, Any]]()
    if has_decoder:
        decoder = merged["added_tokens_decoder"]
        if not isinstance(decoder, dict) or not all(key.isdecimal() and _content(t) for key, t in decoder.items()):
            raise ValueError(f"{file}: expected added_tokens_decoder with a token for each id, got {decoder!r:.80}")
        by_content |= {token["content"]: token for _, token in sorted(decoder.items(), key=lambda item: int(item[0]))}
    else:
        special = {_content(token) for token in (*roles.values(), *extra)}
        added = json_object(folder / "added_tokens.json")
        for content, _ in sorted(added.items(), key=lambda item: item[1]):
            is_special = content in special
            by_content[content] = {"content": content, "special": is_special, "normalized": not is_special}
    yield from map(_keywords, by_content.values())
    names = dict(_special(kind, {role: token for role, token in roles.items() if role.endswith("_token")}))
    for role in (*ROLES, *sorted(names.keys() - set(ROLES))):
        if role in names and names[role] not in by_content:
            token = roles.get(role)
            flags = token if isinstance(token, dict) else {}
            lstrip = role == "mask_token" and kind is not None and kind.lstrip_mask and not flags
            yield _keywords({"content": names[role], "lstrip": lstrip, **flags, "special": True})
    for token in (*extra, *(kind.extra_special if kind is not None and not extra else ())):
        if _content(token) not in by_content:
            yield _keywords({**(token if isinstance(token, dict) else {"content": token}), "special": True})


def _extra(file: Path, merged: Mapping[str, Any]) -> list[Any]:
    if isinstance(merged.get("extra_special_tokens"), dict) and merged.get("additional_special_tokens"):
        raise ValueError(f"{file}: expected extra_special_tokens or additional_special_tokens, got both: remove one")
    extra = merged.get("extra_special_tokens") or merged.get("additional_special_tokens") or []
    extra = list(extra.values()) if isinstance(extra, dict) else extra
    if not isinstance(extra, list) or not all(
        isinstance(token, str) or (_content(token) and token.get("__type") == "AddedToken") for token in extra
    ):
        raise ValueError(f"{file}: expected additional_special_tokens to be a list of tokens, got {extra!r:.80}")
    return extra


def _keywords(token: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: token[key]
        for key in ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
        if key in token
    }


def _max_length(folder: Path, published: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """sentence-transformers' length, else transformers' and the model's positions, whichever is fewer."""
    if _in_modules(folder):
        length = sentence_config(folder)[1].get("max_seq_length")
        if type(length) is int:
            return length
    lengths = (published.get("model_max_length", published.get("max_len")), config.get("max_position_embeddings"))
    usable = [length for length in lengths if type(length) is int and length < NO_LIMIT]
    return min(usable, default=None)


def sentence_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The first sentence_*_config.json of a folder that is not empty, and its content; {} if there is none."""
    for name in SENTENCE_CONFIGS:
        if content := json_object(folder / name):
            return folder / name, content
    return folder / SENTENCE_CONFIGS[0], {}


def json_object(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file, {} if there is no such file; ValueError, which names it, for anything else."""
    content = read_json(file) if file.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected a JSON object, got {type(content).__name__}")
    return content
