"""Porter's second English stemmer, in the version of NLTK's SnowballStemmer("english").

Source: Martin Porter, The English (Porter2) stemming algorithm, snowballstem.org, as of 2006. Later releases of
Snowball, and with them PyStemmer 3, stem differently (`added`, `organization`, `interval`). NLTK deviates from the
algorithm by keeping R1 and R2 as separate strings; so does this module, with a comment at each deviation.
"""

import re
from dataclasses import dataclass

VOWELS = frozenset("aeiouy")
VOWEL_CONSONANT = re.compile("[aeiouy][^aeiouy]", re.DOTALL)
DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
BEFORE_LI = frozenset("cdeghkmnrt")
SPECIAL = {
    **{"skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl", "gently": "gentl"},
    **{"ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl"},
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
    **{noun + s: noun for noun in ("inning", "outing", "canning", "herring", "earring") for s in ("", "s")},
    **{verb + s: verb for verb in ("proceed", "exceed", "succeed") for s in ("", "s", "ed", "ing")},
}
R1_PREFIXES = ("gener", "arsen", "commun")  # R1 is what follows them
STEP_0 = ("'s'", "'s", "'")
STEP_1A = ("sses", "ied", "ies", "us", "ss", "s")
STEP_1B = ("eedly", "ingly", "edly", "eed", "ing", "ed")
E_AFTER_1B = ("at", "bl", "iz")
# Suffix, number of letters removed, replacement, and NLTK's R2 if it was shorter than the removed letters.
STEP_2 = [
    ("ization", 7, "ize", ""),
    ("ational", 7, "ate", "e"),
    ("fulness", 4, "", ""),
    ("ousness", 7, "ous", ""),
    ("iveness", 7, "ive", "e"),
    ("tional", 2, "", ""),
    ("biliti", 6, "ble", ""),
    ("lessli", 2, "", ""),
    ("entli", 2, "", ""),
    ("ation", 5, "ate", "e"),
    ("alism", 5, "al", ""),
    ("aliti", 5, "al", ""),
    ("ousli", 5, "ous", ""),
    ("iviti", 5, "ive", "e"),
    ("fulli", 2, "", ""),
    ("enci", 1, "e", ""),
    ("anci", 1, "e", ""),
    ("abli", 1, "e", ""),
    ("izer", 4, "ize", ""),
    ("ator", 4, "ate", "e"),
    ("alli", 4, "al", ""),
    ("bli", 3, "ble", ""),
    ("ogi", 1, "", ""),
    ("li", 2, "", ""),
]
STEP_3 = [
    ("ational", 7, "ate"),
    ("tional", 2, ""),
    ("alize", 3, ""),
    ("icate", 5, "ic"),
    ("iciti", 5, "ic"),
    ("ative", 5, ""),
    ("ical", 4, "ic"),
    ("ness", 4, ""),
    ("ful", 3, ""),
]
ENDINGS_2 = tuple(row[0] for row in STEP_2)
ENDINGS_3 = tuple(row[0] for row in STEP_3)
STEP_4 = (
    *("ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize"),
    *("ion", "al", "er", "ic"),
)


APOSTROPHES = {0x2018: "'", 0x2019: "'", 0x201B: "'"}


@dataclass(slots=True)
class _Word:
    """A word and its regions R1 and R2, each shortened with the word."""

    text: str
    r1: str
    r2: str

    def replace(self, letters: int, by: str = "", short_r2: str = "") -> None:
        """Replace the last `letters` by `by`; a region shorter than that becomes empty (R2: becomes `short_r2`)."""
        self.text = self.text[:-letters] + by
        self.r1 = self.r1[:-letters] + by if len(self.r1) >= letters else ""
        self.r2 = self.r2[:-letters] + by if len(self.r2) >= letters else short_r2

    def ending(self, suffixes: tuple[str, ...]) -> str:
        """The first of `suffixes` that the word ends with, or an empty str."""
        if not self.text.endswith(suffixes):
            return ""
        return next((suffix for suffix in suffixes if self.text.endswith(suffix)), "")


def stem(word: str) -> str:
    """The stem of `word`, in lower case."""
    word = word.lower()
    if len(word) <= 2:
        return word
    if word in SPECIAL:
        return SPECIAL[word]
    if not word.isascii():
        word = word.translate(APOSTROPHES)
    word = word.removeprefix("'")
    it = _regions(_consonant_y(word))
    for last_letters, step in STEPS:
        if it.text[-1:] in last_letters:
            step(it)
    return it.text.replace("Y", "y")


def _consonant_y(word: str) -> str:
    """`word` with each consonant y (at the start, or after a vowel) written Y."""
    if "y" not in word:
        return word
    letters = list(word)
    for i, letter in enumerate(letters):
        if letter == "y" and (i == 0 or letters[i - 1] in VOWELS):
            letters[i] = "Y"
    return "".join(letters)


def _regions(word: str) -> _Word:
    """R1 starts after the first consonant that follows a vowel, R2 likewise within R1; three prefixes are special."""
    for prefix in R1_PREFIXES:
        if word.startswith(prefix):
            r1 = word[len(prefix) :]
            break
    else:
        r1 = _after_vowel_consonant(word)
    return _Word(word, r1, _after_vowel_consonant(r1))


def _after_vowel_consonant(word: str) -> str:
    match = VOWEL_CONSONANT.search(word)
    return word[match.end() :] if match else ""


def _step_0(it: _Word) -> None:
    if suffix := it.ending(STEP_0):
        it.replace(len(suffix))


def _step_1a(it: _Word) -> None:
    suffix = it.ending(STEP_1A)
    if suffix == "sses":
        it.replace(2)
    elif suffix in ("ied", "ies"):
        it.replace(2 if len(it.text) > 4 else 1)
    elif suffix == "s" and not VOWELS.isdisjoint(it.text[:-2]):
        it.replace(1)


def _step_1b(it: _Word) -> None:
    suffix = it.ending(STEP_1B)
    if suffix in ("eed", "eedly"):
        if it.r1.endswith(suffix):
            it.replace(len(suffix), "ee")
    elif suffix and not VOWELS.isdisjoint(it.text[: -len(suffix)]):
        it.replace(len(suffix))
        _restore_ending(it)


def _restore_ending(it: _Word) -> None:
    """After removing -ed or -ing: hop(p), hop(e), conflat(e)."""
    if it.text.endswith(E_AFTER_1B):
        it.text += "e"
        it.r1 += "e"  # as NLTK does, even if R1 was empty
        if len(it.text) > 5 or len(it.r1) >= 3:
            it.r2 += "e"
    elif it.text.endswith(DOUBLES):
        it.replace(1)
    elif not it.r1 and _is_short(it.text):
        it.text += "e"


def _is_short(word: str) -> bool:
    """Ends in a short syllable: consonant, vowel, consonant other than w, x, Y; or is a vowel and a consonant."""
    if len(word) == 2:
        return word[0] in VOWELS and word[1] not in VOWELS
    if len(word) < 3:
        return False
    return word[-3] not in VOWELS and word[-2] in VOWELS and word[-1] not in VOWELS and word[-1] not in "wxY"


def _step_1c(it: _Word) -> None:
    if len(it.text) > 2 and it.text[-1] in "yY" and it.text[-2] not in VOWELS:
        it.replace(1, "i")


def _step_2(it: _Word) -> None:
    if not it.text.endswith(ENDINGS_2):
        return
    for suffix, letters, by, short_r2 in STEP_2:
        if it.text.endswith(suffix):
            allowed = it.r1.endswith(suffix)
            if suffix == "ogi":
                allowed = allowed and it.text[-4] == "l"
            elif suffix == "li":
                allowed = allowed and it.text[-3] in BEFORE_LI
            if allowed:
                it.replace(letters, by, short_r2)
            return


def _step_3(it: _Word) -> None:
    if not it.text.endswith(ENDINGS_3):
        return
    for suffix, letters, by in STEP_3:
        if it.text.endswith(suffix):
            if it.r1.endswith(suffix) and (suffix != "ative" or it.r2.endswith(suffix)):
                it.replace(letters, by)
            return


def _step_4(it: _Word) -> None:
    suffix = it.ending(STEP_4)
    if suffix and it.r2.endswith(suffix) and (suffix != "ion" or it.text[-4] in "st"):
        it.replace(len(suffix))


def _step_5(it: _Word) -> None:
    word = it.text
    if (
        (it.r2.endswith("l") and word[-2] == "l")
        or it.r2.endswith("e")
        or (it.r1.endswith("e") and len(word) >= 4 and not _is_short(word[:-1]))
    ):
        it.text = word[:-1]


STEPS = (
    *(("'s", _step_0), ("sd", _step_1a), ("ygd", _step_1b), ("yY", _step_1c)),
    *(("nlsimr", _step_2), ("leis", _step_3), ("temsinlrc", _step_4), ("le", _step_5)),
)
"""Each step with the last letters of its suffixes."""
