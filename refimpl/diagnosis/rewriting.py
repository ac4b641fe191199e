"""Texts as faulty implementations change them before, or in place of, the tokenizer's own normalisation."""

import html
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


def accents_stripped(text: str) -> str:
    """Decomposed (NFD), without nonspacing marks (Mn)."""
    return _without_marks(unicodedata.normalize("NFD", text), ("Mn",))


def stripped_then_ascii_lowered(text: str) -> str:
    """Accents stripped, so that a capital A with a diaeresis is an A; then A to Z lower-cased."""
    return ascii_lowered(accents_stripped(text))


def composed_then_stripped(text: str) -> str:
    """Marks stripped from Unicode's form NFC, where most accented letters have none."""
    return _without_marks(unicodedata.normalize("NFC", text), ("Mn",))


def marks_stripped_undecomposed(text: str) -> str:
    """Combining marks stripped as they are written; composed letters stay."""
    return _without_marks(text, ("Mn",))


def latin_marks_stripped(text: str) -> str:
    """Decomposed, without the combining marks of U+0300 to U+036F."""
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", text))


def decomposed(text: str) -> str:
    """Unicode's form NFD, marks kept."""
    return unicodedata.normalize("NFD", text)


def composed(text: str) -> str:
    """Unicode's form NFC."""
    return unicodedata.normalize("NFC", text)


def ascii_only(by: str) -> TextChange:
    """Each character outside ASCII replaced."""
    return lambda text: re.sub(r"[^\x00-\x7f]", by, text)


def decomposed_to_ascii(text: str) -> str:
    """NFKD, then only ASCII, as by encode("ascii", "ignore")."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def substituted(pattern: str, by: str) -> TextChange:
    """Each match of a regular expression replaced."""
    return lambda text: re.sub(pattern, by, text)


def rejoined(text: str) -> str:
    """The words of Python's str.split, joined by spaces."""
    return " ".join(text.split())


def entities_unescaped(text: str) -> str:
    """HTML entities replaced, as &lt; by <."""
    return html.unescape(text)


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
