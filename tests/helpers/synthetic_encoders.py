"""Encoders of hashed tokens with every rule an option, written apart from refimpl, and what `identify` should name."""

import re
import unicodedata
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

HIDDEN = 64
STOP = {"the", "is", "a", "at"}
KNOWN = re.compile(r"[\u0000-\u024f\u0400-\u04ff\u2000-\u206f\ufb00-\ufb06\uff00-\uff5e\u4e00-\u9fff]*")


@dataclass(frozen=True)
class Rules:
    case: str = "lower"  # ascii, keep
    accents: str = "remove"  # keep
    nfkc: bool = False
    punctuation: str = "split"  # drop
    cjk: bool = True
    unknown: str = "one"  # drop
    stop: bool = False
    longest: int = 100
    limit: int = 128
    side: str = "right"  # left
    unit: str = "tokens"  # words, characters
    special: str = "both"  # none
    prefix: str = ""
    pooling: str = "mean"
    norm: str = "unit"  # none, l1
    cut: str = "none"  # before, after (the normalisation)
    store: str = "float32"
    order: str = "kept"  # length
    padding: bool = False
    noise: bool = False


def words_of(text: str, rules: Rules) -> list[str]:
    if rules.nfkc:
        text = unicodedata.normalize("NFKC", text)
    text = "".join(" " if c in "\n\t\r" else c for c in text)
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
    if rules.case == "lower":
        text = text.lower()
    elif rules.case == "ascii":
        text = "".join(c.lower() if c.isascii() else c for c in text)
    if rules.accents == "remove":
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    if rules.cjk:
        text = re.sub("([\u4e00-\u9fff])", r" \1 ", text)
    marks = "[^\\w\\s\u0300-\u036f]|_"
    text = re.sub(
        marks,
        (lambda m: f" {m[0]} " if not m[0].isascii() else " ") if rules.punctuation == "drop" else r" \g<0> ",
        text,
    )
    words = [w for w in text.split() if not (rules.stop and w in STOP)]
    known = [w if KNOWN.fullmatch(w) and len(w) <= rules.longest else None for w in words]
    return [w or "[UNK]" for w in known if w or rules.unknown == "one"]


def pieces(word: str) -> list[str]:
    """Five consonant-vowel letters are two tokens, as an unknown word in a subword vocabulary is."""
    return (
        [word[:3], "##" + word[3:]]
        if re.fullmatch("[bdfgklmnprtvz][aeiou][bdfgklmnprtvz][aeiou][bdfgklmnprtvz]", word)
        else [word]
    )


@lru_cache(maxsize=4096)  # each text is tokenised for the longest of its call, for itself, and in further calls
def tokens_of(text: str, rules: Rules) -> list[str]:
    text = rules.prefix + text
    if rules.unit == "characters":
        text = text[: rules.limit] if rules.side == "right" else text[-rules.limit :]
    words = words_of(text, rules)
    if rules.unit == "words":
        words = words[: rules.limit] if rules.side == "right" else words[-rules.limit :]
    tokens = [piece for word in words for piece in pieces(word)]
    special = 2 if rules.special == "both" else 0
    if rules.unit == "tokens":
        room = rules.limit - special
        tokens = tokens[:room] if rules.side == "right" else tokens[-room:]
    return ["[CLS]", *tokens, "[SEP]"] if special else (tokens or ["[PAD]"])


@cache
def hashed(token) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(str(token).encode())).normal(size=HIDDEN)


def states_of(tokens) -> np.ndarray:
    """Each token's vector, its position's and the text's, in a nonlinear mixture."""
    embedded = np.stack([hashed(token) * (1 + 0.3 * hashed(("position", i))) for i, token in enumerate(tokens)])
    return np.tanh(0.6 * embedded + 0.8 * embedded.mean(axis=0))


def pooled(states: np.ndarray, rules: Rules) -> np.ndarray:
    count = len(states)
    inner = states[1:-1] if rules.special == "both" and count > 2 else states
    return {
        "mean": lambda: states.sum(axis=0) / count,
        "cls": lambda: states[0],
        "last": lambda: states[-1],
        "max": lambda: states.max(axis=0),
        "sum": lambda: states.sum(axis=0),
        "root": lambda: states.sum(axis=0) / count**0.5,
        "inner": lambda: inner.mean(axis=0),
        "position": lambda: np.average(states, axis=0, weights=range(1, count + 1)),
        "squares": lambda: np.average(states, axis=0, weights=[(i + 1) ** 2 for i in range(count)]),
    }[rules.pooling]()


def scaled(vector: np.ndarray, rules: Rules) -> np.ndarray:
    if rules.norm == "none":
        return vector
    return vector / (np.abs(vector).sum() if rules.norm == "l1" else np.sqrt((vector**2).sum()))


def stored(vector: np.ndarray, store: str) -> np.ndarray:
    if store == "float16":
        return vector.astype(np.float16)
    if store == "int8":
        return np.round(vector * 127).astype(np.int8)
    if store == "bits":
        return (vector > 0).astype(np.uint8)
    if store == "packed":
        return np.packbits(vector > 0)
    return np.round(vector, 3) if store == "decimals" else vector.astype(np.float32)


def encoder(rules: Rules):
    rng = np.random.default_rng(3)

    def one(text: str, longest: int) -> np.ndarray:
        tokens = tokens_of(text, rules)
        if rules.padding:
            tokens = tokens + ["[PAD]"] * (longest - len(tokens))
        vector = pooled(states_of(tokens), rules)
        if rules.cut == "before":
            vector = vector[:16]
        vector = scaled(vector, rules)
        if rules.noise:
            vector = vector * rng.uniform(0.9, 1.1, vector.shape)
        return stored(vector[:16] if rules.cut == "after" else vector, rules.store)

    def encode(texts):
        longest = max(len(tokens_of(text, rules)) for text in texts)
        texts = sorted(texts, key=len) if rules.order == "length" else texts
        return [one(text, longest) for text in texts]

    return encode


class Reference:
    """The states of the unchanged encoder; ids count tokens in the order of their first use."""

    name = "hashed"
    special = (1, 1)
    positions: int | None = None

    def __init__(self):
        self.vocabulary: dict[str, int] = {}

    def tokens(self, text):
        return [self.vocabulary.setdefault(token, len(self.vocabulary)) for token in tokens_of(text, Rules())]

    def states(self, ids):
        names = list(self.vocabulary)
        return states_of([names[i] for i in ids])

    def pooler(self, states):
        return None


POOLINGS = {
    "mean": "mean over all tokens",
    "cls": "the first token ([CLS])",
    "last": "the last token",
    "max": "maximum over tokens",
    "sum": "mean over all tokens, sum: times the number of tokens",
    "root": "mean over all tokens, times the root of the number of tokens",
    "inner": "mean over tokens other than special ones",
    "position": "mean weighted by position, from 1",
}
NORMS = {"unit": "unit length (L2)", "l1": "sum of magnitudes 1 (L1)", "none": "not normalised"}
STORES = {
    "float32": "float32",
    "float16": "float16",
    "int8": "8-bit integers",
    "bits": "bits: 0 and 1",
    "packed": "packed bits",
    "decimals": "rounded to 3 decimals",
}


def expected(rules: Rules) -> dict[str, str]:
    """The values that are right, by factor."""
    composed = rules.accents == "remove" or rules.nfkc
    mark = {"split": "a token of its own", "drop": "as a space"}[rules.punctuation]
    found = {
        "text: case": "kept" if rules.case == "keep" else "lower-cased",
        "text: case beyond ASCII": "lower-cased" if rules.case == "lower" else "kept",
        "text: accents": "kept" if rules.accents == "keep" else "removed",
        "text: combining accents": "as composed letters" if composed else "not composed",
        "text: compatibility forms": "replaced (NFKC)" if rules.nfkc else "kept",
        "text: full-width letters": "replaced (NFKC)" if rules.nfkc else "kept",
        "text: comma": "removed" if rules.punctuation == "drop" else "a token of its own",
        "text: hyphen": mark,
        "text: apostrophe": mark,
        "text: underscore": mark,
        "text: CJK": "one character a token" if rules.cjk else "not split by character",
        "text: emoji": "removed" if rules.unknown == "drop" else "one unknown token",
        "text: unknown characters": "removed" if rules.unknown == "drop" else "one unknown token",
        "text: stop words": "removed" if rules.stop else "kept",
        "text: repeated spaces": "collapsed",
        "text: leading and trailing space": "removed",
        "text: newline and tab": "as a space",
        "text: zero-width space": "removed",
        "text: zero-width joiner": "removed",
        "text: soft hyphen": "removed",
        "text: byte order mark": "removed",
        "text: digits": "not one by one",
        "text: plural s": "kept",
        "text: no-break space": "as a space",
        "text: control character": "removed",
        "text: sharp s": "kept",
        "text: word order": "matters",
        "truncation": _limit(rules),
        "numbers": STORES[rules.store],
        "order of the answers": "by length, shortest first" if rules.order == "length" else "that of the texts",
        "width": f"{(16 if rules.cut != 'none' else HIDDEN) // (8 if rules.store == 'packed' else 1)} numbers",
    }
    if rules.longest < 130:
        found["text: words of 130 letters"] = "one unknown token" if rules.unknown == "one" else "removed"
    else:
        found["text: words of 130 letters"] = "distinguished"
    return {**found, **_expected_pooling(rules)}


def _expected_pooling(rules: Rules) -> dict[str, str]:
    if rules.pooling not in POOLINGS:
        return {}
    pooling = rules.pooling
    if (pooling == "inner" and rules.special == "none") or (pooling in ("sum", "root") and rules.norm != "none"):
        pooling = "mean"
    return {"pooling": POOLINGS[pooling], "length of vectors": NORMS[rules.norm]}


def _limit(rules: Rules) -> str:
    side = "first" if rules.side == "right" else "last"
    before = len(words_of(rules.prefix, rules))
    if rules.unit == "tokens":
        room = rules.limit - (2 if rules.special == "both" else 0) - (before if rules.side == "right" else 0)
        return f"the {side} {room} words of one token are read"
    if rules.unit == "words":
        return f"the {side} {rules.limit - (before if rules.side == 'right' else 0)} words are read"
    return f"the {side} {rules.limit} characters are read"
