"""Texts as faulty implementations change them before, or in place of, the tokenizer's own normalisation."""

import re
import unicodedata
from collections.abc import Callable

TextChange = Callable[[str], str]

ASCII_CAPITALS = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
SPECIAL_TOKENS = re.compile(r"(\[(?:CLS|SEP|PAD|UNK|MASK)\])")
KANA = re.compile("[\u3040-\u30ff]")
HANGUL = re.compile("[\uac00-\ud7a3]+")


def outside_special_tokens(change: TextChange) -> TextChange:
    """The change of the parts between BERT's special tokens: a tokenizer finds those before it normalises."""

    def changed(text: str) -> str:
        parts = SPECIAL_TOKENS.split(text)
        return "".join(part if SPECIAL_TOKENS.fullmatch(part) else change(part) for part in parts)

    return changed


def ascii_lowered(text: str) -> str:
    """A to Z lower-cased, as C's tolower does."""
    return text.translate(ASCII_CAPITALS)


def compatibility_folded(text: str) -> str:
    """Unicode's form NFKC: a ligature as its letters, a full-width letter as the usual one."""
    return unicodedata.normalize("NFKC", text)


def special_tokens_removed(text: str) -> str:
    """Without BERT's special tokens."""
    return SPECIAL_TOKENS.sub(" ", text)


def kana_split(text: str) -> str:
    """Each Japanese kana as a word."""
    return KANA.sub(r" \g<0> ", text)


def all_marks_stripped(text: str) -> str:
    """Without combining marks, spacing (Mc) and enclosing (Me) ones included."""
    return _without_marks(unicodedata.normalize("NFD", text), ("Mn", "Mc", "Me"))


def accents_stripped_but_hangul(text: str) -> str:
    """Decomposed and without nonspacing marks (Mn), but for Hangul, whose syllables stay composed."""
    parts = re.split(f"({HANGUL.pattern})", text)
    decomposed = [part if HANGUL.match(part) else unicodedata.normalize("NFD", part) for part in parts]
    return _without_marks("".join(decomposed), ("Mn",))


def controls_as_spaces(text: str) -> str:
    """A space for each character that BERT removes: those of Unicode's class C, and U+FFFD."""
    return "".join(" " if unicodedata.category(c).startswith("C") or c == "\ufffd" else c for c in text)


def only_controls_removed(text: str) -> str:
    """Without control characters (Cc), whitespace unified; format characters (Cf), as U+00AD, are kept."""
    spaced = "".join(" " if c in "\t\n\r" or unicodedata.category(c) == "Zs" else c for c in text)
    return "".join(c for c in spaced if unicodedata.category(c) != "Cc" and c != "\ufffd")


def only_format_removed(text: str) -> str:
    """Without format characters (Cf), whitespace unified; control characters (Cc), as U+0001, are kept."""
    spaced = "".join(" " if c in "\t\n\r" or unicodedata.category(c) == "Zs" else c for c in text)
    return "".join(c for c in spaced if unicodedata.category(c) != "Cf")


def _without_marks(text: str, categories: tuple[str, ...]) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in categories)
