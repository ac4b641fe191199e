"""The one reader of tokenizer.json: what makes the `tokenizers` library panic or abort is refused before it is read.

The library trusts some parts of a file: a Rust panic is no `Exception`, and two at a time end the process.
"""

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from refimpl.common.json_reader import JsonError, parse_json
from refimpl.common.text_files import decoded
from refimpl.common.types import Array

MOST_TOKENS = 1 << 31
TRIE_BLOCK = 256  # units of a double-array trie: a child's place differs from its parent's in the last byte
_NAMES = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}


class TokenizerFileError(ValueError):
    """A tokenizer.json is damaged, or has a part that the library cannot compute; the message names the file."""


def read_tokenizer(file: Path) -> tokenizers.Tokenizer:
    """Return the tokenizer in a tokenizer.json.

    Raises FileNotFoundError if there is none, and TokenizerFileError if it is not JSON, not a tokenizer, or has a part
    on which the library would panic: a Precompiled map beyond its own ends, a FixedLength of 0, a template or a
    truncation that does not fit.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: a model folder has its fast tokenizer")
    try:
        text = decoded(file.read_bytes(), first=True)
        check_tokenizer(parse_json(text, str(file)))
        with panics_as_errors(file):
            return tokenizers.Tokenizer.from_str(text)
    except (TokenizerFileError, JsonError) as error:
        raise TokenizerFileError(f"{error}: fetch it again") from error
    except Exception as error:  # the library raises nothing more specific
        raise TokenizerFileError(f"{file} is not a tokenizer ({str(error)[:200]}): fetch it again") from error


@contextmanager
def panics_as_errors(file: Path) -> Iterator[None]:
    """Raise TokenizerFileError for the library's errors at a text, Rust panics included.

    Such as a regex of the file that backtracks for ever, or an unknown token that its vocabulary lacks.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":  # which cannot be imported
            raise
        raise TokenizerFileError(f"{file} cannot be computed by the tokenizers library ({str(error)[:200]})") from None


def check_tokenizer(content: Any) -> None:
    """Raise ValueError for the parts of a tokenizer.json's object on which the library would panic or abort."""
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, got {type(content).__name__}")
    for key, inner in _NAMES.items():
        for part in _parts(content.get(key), inner):
            match part.get("type"):
                case "Precompiled":
                    _check_charsmap(part.get("precompiled_charsmap"))
                case "FixedLength":
                    _check_number(part.get("length", 1), "FixedLength's length", 1)
                case "Replace":
                    if part.get("pattern") in ({"String": ""}, {"Regex": ""}):
                        raise ValueError("Replace must have a pattern, got an empty one")
                case "TemplateProcessing":
                    _check_template(part)
    _check_limits(content.get("truncation"), content.get("padding"))


def _parts(part: Any, inner: str) -> Iterator[dict[str, Any]]:
    """The part, and those of a Sequence, at any depth (the reader limits it)."""
    if isinstance(part, dict):
        yield part
        for nested in part[inner] if isinstance(part.get(inner), list) else ():
            yield from _parts(nested, inner)


def _check_charsmap(encoded: Any) -> None:
    """A size, a double-array trie (Darts-clone) of 32-bit units, and the UTF-8 strings that its leaves point to."""
    if not isinstance(encoded, str):
        raise ValueError(f"precompiled_charsmap must be a string, got {type(encoded).__name__}")
    blob = base64.b64decode(encoded, validate=True)
    size = int.from_bytes(blob[:4], "little")
    if len(blob) < 4 or not size or size % (4 * TRIE_BLOCK) or 4 + size > len(blob):
        raise ValueError(f"precompiled_charsmap of {len(blob)} bytes has a trie of {size}")
    units, strings = np.frombuffer(blob, "<u4", size // 4, 4), blob[4 + size :]
    strings.decode()
    inner = units >> 31 == 0  # a leaf's unit is not followed
    offsets = (units >> 10).astype(np.int64) << ((units & (1 << 9)) >> 6)
    children = np.arange(len(units)) ^ offsets
    if (children[inner] >= len(units)).any():
        raise ValueError("precompiled_charsmap has a trie that leads beyond its end")
    leaves = units[children[inner & (units >> 8 & 1 == 1)]] & 0x7FFFFFFF
    if not _are_starts(np.frombuffer(strings, np.uint8), leaves):
        raise ValueError("precompiled_charsmap has a trie that leads beyond its strings")


def _are_starts(strings: Array, places: Array) -> bool:
    """Whether each place is in `strings`, at the first byte of a character."""
    if not len(places):
        return True
    return bool(places.max() < len(strings) and (strings[places] & 0xC0 != 0x80).all())


def _check_template(part: dict[str, Any]) -> None:
    """Each special token of the template is defined, with as many ids as tokens; the sequences are A and B."""
    special = part.get("special_tokens")
    if not isinstance(special, dict):
        raise ValueError("TemplateProcessing's special_tokens must be an object")
    for name, token in special.items():
        ids, tokens = (token.get("ids"), token.get("tokens")) if isinstance(token, dict) else (None, None)
        if not isinstance(ids, list) or not isinstance(tokens, list) or len(ids) != len(tokens) or not ids:
            raise ValueError(f"TemplateProcessing's special token {name!r:.40} must have as many ids as tokens")
    for key, names in (("single", ("A",)), ("pair", ("A", "B"))):
        pieces = part.get(key)
        if not isinstance(pieces, list) or not all(isinstance(piece, dict) for piece in pieces):
            raise ValueError(f"TemplateProcessing's {key} must be a list of objects")
        used = [piece["SpecialToken"] for piece in pieces if "SpecialToken" in piece]
        if any(not isinstance(token, dict) or token.get("id") not in special for token in used):
            raise ValueError(f"TemplateProcessing's {key} has a special token that special_tokens lacks")
        sequences = [piece["Sequence"] for piece in pieces if "Sequence" in piece]
        if any(not isinstance(one, dict) or one.get("id") not in names for one in sequences):
            raise ValueError(f"TemplateProcessing's {key} has another sequence than {' and '.join(names)}")


def _check_limits(truncation: Any, padding: Any) -> None:
    if isinstance(truncation, dict):
        most = _check_number(truncation.get("max_length", 1), "truncation's max_length", 0)
        stride = _check_number(truncation.get("stride", 0), "truncation's stride", 0)
        if stride and stride >= most:
            raise ValueError(f"truncation's stride {stride} must be below its max_length {most}")
    if isinstance(padding, dict):
        strategy = padding.get("strategy")
        if isinstance(strategy, dict):
            _check_number(strategy.get("Fixed", 0), "padding's length", 0)
        if padding.get("pad_to_multiple_of") is not None:
            _check_number(padding["pad_to_multiple_of"], "padding's pad_to_multiple_of", 1)


def _check_number(value: Any, name: str, least: int) -> int:
    if type(value) is not int or not least <= value < min(MOST_TOKENS, sys.maxsize):
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r:.40}")
    return value
