"""The one reader of JSON: RFC 8259 with limits on size, depth, numbers and repeated names, and a checksum.

Python's own parser accepts NaN, takes the last of equal names, raises RecursionError for deep nesting, and returns
infinity for 1e400 and integers that no float can represent.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from refimpl.common.text_files import decoded

MOST_BYTES = 512 << 20
MOST_DEPTH = 100
MOST_CONTAINERS = 2_000_000
"""Objects and lists in one document: an empty one takes 64 bytes of memory for two bytes of JSON."""
MOST_DIGITS = 308  # a float's largest power of ten
CHECKSUM = "checksum"

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LARGE_NUMBER = re.compile(rb"[0-9]{200}|[0-9][eE]\+?[0-9]{3}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """Bytes are not JSON, or exceed a limit; the message names the file."""


def read_json(file: Path, *, lone_surrogates: bool = False) -> Any:
    """Return the value in a JSON file, as `parse_json`; a larger file than `MOST_BYTES` is not read.

    Raises JsonError as `parse_json`, and OSError where the file cannot be read.
    """
    with file.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    return parse_json(content, str(file), lone_surrogates=lone_surrogates)


def parse_json(content: bytes | str, name: str, *, lone_surrogates: bool = False) -> Any:
    """Return the value of one JSON document.

    Parameters
    ----------
    content
        UTF-8 with or without a byte order mark at the start, or text.
    name
        The file, and the line where it has one document per line, for messages.
    lone_surrogates
        Accept escapes of lone surrogates (U+D800 to U+DFFF), which UTF-8 cannot encode.

    Raises
    ------
    JsonError
        If `content` is not JSON by RFC 8259 (NaN and Infinity are not), not UTF-8, has a name twice in one object, a
        number beyond a float's range, over `MOST_DEPTH` levels, `MOST_CONTAINERS` objects and lists or `MOST_BYTES`.
    """
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    try:
        _check_limits(raw)
        text = content if isinstance(content, str) else decoded(raw, first=True)
        large = _LARGE_NUMBER.search(raw) is not None  # without one, the parser's own conversions are quicker
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_float if large else None,
            parse_int=_int if large else None,
        )
        if not lone_surrogates and _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise JsonError(f"{name} is not valid JSON: a lone surrogate {error.object[error.start]!r}") from None
    except (ValueError, RecursionError) as error:
        raise JsonError(f"{name} is not valid JSON: {error}") from error
    return value


def checksum(values: Mapping[str, Any]) -> str:
    """Return the hex sha256 of an object's values, without the one under `checksum`; layout and order do not count."""
    rest = {key: value for key, value in values.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _check_limits(raw: bytes) -> None:
    if len(raw) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes, got more")
    if raw.count(b"[") + raw.count(b"{") <= MOST_DEPTH:
        return
    import numpy as np  # here, since the command line reads JSON before it needs arithmetic

    brackets = np.frombuffer(_STRING.sub(b"", raw).translate(None, _NOT_BRACKETS), np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    if (containers := int(opening.sum())) > MOST_CONTAINERS:
        raise ValueError(f"expected at most {MOST_CONTAINERS} objects and lists, got {containers}")
    depth = int(np.where(opening, 1, -1).cumsum().max(initial=0))
    if depth > MOST_DEPTH:
        raise ValueError(f"expected at most {MOST_DEPTH} nested objects and lists, got {depth}")


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    values = dict(listed)
    if len(values) < len(listed):
        names = [name for name, _ in listed]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r:.60} occurs twice in one object")
    return values


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits:.40} is beyond a float's range")
    return number


def _int(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"the number {digits:.40}... is beyond a float's range")
    return int(digits)
