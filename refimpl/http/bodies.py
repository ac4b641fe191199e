"""The body of a response: read within the deadline, unpacked within a bound, as bytes or as JSON."""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

MIB = 1 << 20
CHUNK_BYTES = 1 << 16
MAX_JSON_BYTES = 256 * MIB

# Bytes of memory that CPython takes for each part of JSON, its place in a list or dict included
LIST_BYTES = 80  # 56 for an empty list, 88 for one with an item
DICT_BYTES = 64
KEY_BYTES = 140  # a dict's share for an entry
NUMBER_BYTES = 32
PLACE_BYTES = 12  # in a list, which grows by an eighth
QUOTE_BYTES = 32  # half of a short str
MOST_PER_BYTE = 40  # of any JSON
IN_NUMBERS = np.isin(np.arange(256), np.frombuffer(b"+-.0123456789Ee", np.uint8))
MAX_DIGITS = 1000  # a larger whole number is beyond any float, and quadratic to read


class EncodingError(Exception):
    """The body is in a content encoding that was not requested, or is not in the one that its header names."""


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Pieces of at most `CHUNK_BYTES`, some of them empty, of a body in one content encoding.

    gzip and deflate are read, although no request asks for them, since some proxies compress everything; EncodingError
    for any other encoding, for several, and for data that are damaged or end early.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
    elif name in ("gzip", "x-gzip", "deflate"):
        try:
            yield from _inflated(chunks)
        except zlib.error as error:
            raise EncodingError(f"a body that is no {name} ({error})") from None
    else:
        raise EncodingError(f"the content encoding {encoding}, which was not requested")


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Members of gzip, zlib streams, or one raw deflate stream, one after the other."""
    stream: Any = None
    for chunk in chunks:
        data = chunk
        while data:
            if stream is None:
                stream = _decompressor(data)
            yield stream.decompress(data, CHUNK_BYTES)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            if stream.eof:
                stream = None
            elif not data:  # output may be left although all input is consumed
                while piece := stream.decompress(b"", CHUNK_BYTES):
                    yield piece
                stream = None if stream.eof else stream
    if stream is not None:
        raise EncodingError("compressed data that end early")


def _decompressor(data: bytes) -> Any:
    """By its first byte: gzip and zlib (1f, x8) have headers, raw deflate has none."""
    return zlib.decompressobj(32 + zlib.MAX_WBITS if data[0] & 0x0F == 8 or data[0] == 0x1F else -zlib.MAX_WBITS)


def strict_json(data: bytes, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """RFC 8259 JSON in UTF-8 that takes at most about `max_bytes` of memory when it is parsed.

    ValueError for anything else, NaN, Infinity, and unbounded nesting and numbers included.
    """
    if len(data) * MOST_PER_BYTE > max_bytes and json_memory(data) > max_bytes:
        raise ValueError(f"its values take more than {max_bytes / MIB:g} MiB of memory")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def json_memory(data: bytes) -> int:
    """Bytes of memory that JSON `data` takes as text and as values, estimated without parsing it.

    Characters are counted outside strings, in blocks, so that the estimate takes little memory itself.
    """
    counts = np.zeros(256, dtype=np.int64)
    numbers = quotes = inside = 0
    plain = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    for start in range(0, len(plain), MIB):
        block = np.frombuffer(plain, np.uint8, min(MIB, len(plain) - start), start)
        is_quote = block == ord('"')
        parity = (np.cumsum(is_quote, dtype=np.uint8) + np.uint8(inside)) & 1
        outside = parity == 0
        is_digit = IN_NUMBERS[block] & outside
        counts += np.bincount(block[outside], minlength=256)
        numbers += int((is_digit[:-1] & ~is_digit[1:]).sum()) + 1
        quotes += int(is_quote.sum())
        inside = int(parity[-1])
    width = 1 if data.isascii() else 4 if max(data) >= 0xF0 else 2  # bytes per character of Python's str
    text = width * (2 * len(data) - int(counts.sum()))  # what is inside strings is copied
    lists, dicts, keys, places = (int(counts[ord(mark)]) for mark in "[{:,")
    values = LIST_BYTES * lists + DICT_BYTES * dicts + KEY_BYTES * keys + PLACE_BYTES * places
    return text + values + NUMBER_BYTES * numbers + QUOTE_BYTES * quotes


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
