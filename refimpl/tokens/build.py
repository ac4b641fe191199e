"""A folder's tokenizer, built as transformers 5 builds it from tokenizer.json and the settings beside it.

Folders of slow tokenizers have no tokenizer.json: the vocabulary is in vocab.txt, or in vocab.json and merges.txt.
"""

from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, normalizers, processors

from refimpl.common.json_reader import read_json
from refimpl.common.tokenizer_file import panics_as_errors, read_tokenizer
from refimpl.tokens.classes import TokenizerClass
from refimpl.tokens.settings import TokenizerSettings

VOCABULARIES = ("vocab.*", "merges.txt", "*.model", "*.tiktoken", "tekken.json")
"""Files of vocabularies, for messages."""


def build(folder: Path, settings: TokenizerSettings, *, lowercase: bool) -> tokenizers.Tokenizer:
    """Return the tokenizer of `folder`; `lowercase` lower-cases texts before its own normalisation.

    Raises FileNotFoundError if the folder has no vocabulary that its class reads, and ValueError if that is invalid or
    contradicts the class that tokenizer_config.json names.
    """
    file, tokenizer = _read(folder, settings)
    if settings.kind is not None:
        tokenizer = _rebuilt(file, tokenizer, settings.kind, settings)
    else:
        add_tokens(tokenizer, settings)
    if lowercase and not _has_lowercase(tokenizer.normalizer):
        before = [normalizers.Lowercase(), tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([step for step in before if step])
    return tokenizer


def _read(folder: Path, settings: TokenizerSettings) -> tuple[Path, tokenizers.Tokenizer]:
    """Return the file with the vocabulary and the tokenizer in it: tokenizer.json, else the files of the class."""
    kind, file = settings.kind, folder / "tokenizer.json"
    files = [file] if file.is_file() or kind is None else [folder / name for name in kind.files]
    if not files or not all(file.is_file() for file in files):
        expected = " and ".join(file.name for file in files) or file.name
        found = ", ".join(sorted({path.name for pattern in VOCABULARIES for path in folder.glob(pattern)}))
        raise FileNotFoundError(
            f"{file} is missing: expected {expected}, got {found or 'no vocabulary'}: save the tokenizer with "
            "transformers 5 as tokenizer.json"
        )
    if files == [folder / "tokenizer.json"]:
        return files[0], read_tokenizer(files[0])
    try:
        with panics_as_errors(files[0]):
            model = _model(*map(str, files), unk_token=settings.special.get("unk_token", ""))
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(f"{files[0]} is not a tokenizer ({str(error)[:200]}): fetch it again") from error
    return files[0], tokenizers.Tokenizer(model)


def _model(file: str, merges: str | None = None, *, unk_token: str) -> tokenizers.models.Model:
    if merges is not None:
        return models.BPE.from_file(file, merges, continuing_subword_prefix="", end_of_word_suffix="")
    return models.WordPiece.from_file(file, unk_token=unk_token)


def add_tokens(tokenizer: tokenizers.Tokenizer, settings: TokenizerSettings) -> None:
    """Add the tokens that tokenizer_config.json names."""
    tokenizer.add_tokens([tokenizers.AddedToken(**keywords) for keywords in settings.added])


def _rebuilt(
    file: Path, read: tokenizers.Tokenizer, kind: TokenizerClass, settings: TokenizerSettings
) -> tokenizers.Tokenizer:
    _check_model(file, read, kind, settings)
    built = tokenizers.Tokenizer(read.model)
    built.normalizer = kind.normalizer(settings.keys, _charsmap(read.normalizer))
    built.pre_tokenizer = kind.pre_tokenizer(settings.keys)
    if not settings.has_decoder:
        built.add_tokens([read.get_added_tokens_decoder()[i] for i in sorted(read.get_added_tokens_decoder())])
    add_tokens(built, settings)
    if kind.post_processor is None:
        built.post_processor = read.post_processor or _ends(built, settings)
    else:
        if missing := [token for token in settings.special.values() if built.token_to_id(token) is None]:
            raise ValueError(f"{file}: expected the special tokens in the vocabulary, got none of {', '.join(missing)}")
        built.post_processor = kind.post_processor(built, settings.special)
    if read.truncation:
        built.enable_truncation(**read.truncation)
    return built


def _ends(built: tokenizers.Tokenizer, settings: TokenizerSettings) -> processors.PostProcessor:
    """A template with the folder's `ends` around each text."""
    tokens = {role: settings.special[role] for role in settings.ends if role in settings.special}
    first, last = ([tokens[role]] if role in tokens else [] for role in ("bos_token", "eos_token"))
    return processors.TemplateProcessing(
        single=[*first, "$A", *last],
        pair=[*first, "$A", *last, *(f"{token}:1" for token in first), "$B:1", *(f"{token}:1" for token in last)],
        special_tokens=[(token, built.token_to_id(token)) for token in set(tokens.values())],
    )


def _check_model(file: Path, read: tokenizers.Tokenizer, kind: TokenizerClass, settings: TokenizerSettings) -> None:
    """Raise ValueError where the model in tokenizer.json has a setting that the class would replace."""
    model = type(read.model).__name__
    if model != kind.model:
        raise ValueError(
            f"{file}: expected model {kind.model}, which the tokenizer_class in tokenizer_config.json builds, got "
            f"{model}: name the class TokenizersBackend to use tokenizer.json as it is"
        )
    expected = dict(kind.options)
    options: dict[str, Any] = {key: getattr(read.model, key, None) for key in expected}
    if kind.model == "Unigram":
        options = read_json(file)["model"]
        expected.setdefault("unk_id", (read.token_to_id(settings.special["unk_token"]),))
    if kind.model == "WordPiece":
        expected["unk_token"], options["unk_token"] = (settings.special["unk_token"],), read.model.unk_token
    for key, allowed in expected.items():
        if options.get(key, allowed[0]) not in allowed:
            raise ValueError(
                f"{file}: expected model.{key} {allowed[0]!r}, which the tokenizer_class in tokenizer_config.json "
                f"builds, got {options[key]!r}: name the class TokenizersBackend to use tokenizer.json as it is"
            )


def _steps(normalizer: normalizers.Normalizer | None) -> list[normalizers.Normalizer]:
    if normalizer is None:
        return []
    if isinstance(normalizer, normalizers.Sequence):
        return [normalizer[i] for i in range(len(normalizer))]
    return [normalizer]


def _charsmap(normalizer: normalizers.Normalizer | None) -> normalizers.Normalizer | None:
    return next((step for step in _steps(normalizer) if isinstance(step, normalizers.Precompiled)), None)


def _has_lowercase(normalizer: normalizers.Normalizer | None) -> bool:
    return any(isinstance(step, normalizers.Lowercase) for step in _steps(normalizer))
