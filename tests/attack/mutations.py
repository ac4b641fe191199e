"""Damage to bytes: flipped bits, inserted, removed, doubled and moved spans, truncation, other numbers."""

import random
import re

NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
NUMBERS = (b"0", b"-1", b"1e400", b"1" * 400, b"NaN", b"1_0", b"\xd9\xa1", b"4294967296", b"1e9", b"-0.0", b"0x1", b"")
TOKENS = (
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xff",
    b"[" * 300,
    b'{"a":' * 50,
    b"\\ud800",
    b"\r",
    b"\n",
    b'"',
    b",",
    b" ",
    b"()",
)
LONGEST = 64


def flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(TOKENS) if rng.random() < 0.5 else rng.randbytes(rng.randint(1, 8))


def remove(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 1, rng.randint(1, LONGEST)))]


def double(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    span = data[at : at + rng.randint(1, LONGEST)]
    data[at:at] = span


def truncate(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def splice(rng: random.Random, data: bytearray) -> None:
    """Copy a span over another place, as a misdirected write does."""
    start, at, length = rng.randrange(len(data)), rng.randrange(len(data)), rng.randint(1, LONGEST)
    span = data[start : start + length]
    data[at : at + len(span)] = span


def zero(rng: random.Random, data: bytearray) -> None:
    """A block of zeros, as a lost write leaves it."""
    at = rng.randrange(len(data))
    span = data[at : at + LONGEST]
    data[at : at + len(span)] = bytes(len(span))


def number(rng: random.Random, data: bytearray) -> None:
    found = list(NUMBER.finditer(data))
    if found:
        one = rng.choice(found)
        data[one.start() : one.end()] = rng.choice(NUMBERS)


MUTATIONS = (flip, flip, flip, insert, remove, double, truncate, splice, zero, number)


def mutated(rng: random.Random, content: bytes) -> bytes:
    """`content` after one mutation, or two or three; it may be equal."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            rng.choice(MUTATIONS)(rng, data)
    return bytes(data)
