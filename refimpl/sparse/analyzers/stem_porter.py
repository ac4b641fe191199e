"""Porter's first stemmer with the two deviations of its author's own program, as in Lucene's PorterStemFilter.

Source: Martin Porter, An algorithm for suffix stripping, Program 14(3), 1980; the deviations, -bli to -ble and -logi to
-log, are those of the C program on tartarus.org/martin/PorterStemmer. Snowball's "porter", and therefore PyStemmer's,
is the paper without them.
"""

import re

E_AFTER_1B = ("at", "bl", "iz")
NO_UNDOUBLING = ("l", "s", "z")
# The paper's forms: C a consonant, V a vowel; y is a vowel after a consonant.
CONSONANT_Y = re.compile(r"(?:^|(?<=[aeiou]))y")
MEASURED = re.compile("[aeiouy]+[^aeiouy]+")

STEP_2 = (
    *(("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble")),
    *(("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate")),
    *(("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al")),
    *(("iviti", "ive"), ("biliti", "ble"), ("logi", "log")),
)
STEP_3 = (
    *(("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")),
)
STEP_4 = (
    *(
        "al",
        "ance",
        "ence",
        "er",
        "ic",
        "able",
        "ible",
        "ant",
        "ement",
        "ment",
        "ent",
        "ion",
        "ou",
        "ism",
        "ate",
        "iti",
    ),
    *("ous", "ive", "ize"),
)


def stem(word: str) -> str:
    """The stem of `word`, which should be in lower case; words of one or two letters are unchanged."""
    if len(word) <= 2:
        return word
    word = _step_1(word)
    for endings in (STEP_2, STEP_3):
        word = _replaced(word, endings)
    return _step_5(_step_4(word))


def _forms(word: str) -> str:
    """`word` with each consonant y replaced by j, so that the vowels are aeiouy."""
    if "y" not in word:
        return word
    letters = list(word)
    for i, letter in enumerate(letters):
        if letter == "y" and (i == 0 or letters[i - 1] in "aeiouy"):
            letters[i] = "j"
    return "".join(letters)


def _measure(stem: str) -> int:
    """The paper's m: the number of vowel-consonant sequences."""
    return len(MEASURED.findall(_forms(stem)))


def _has_vowel(stem: str) -> bool:
    return any(letter in "aeiouy" for letter in _forms(stem))


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _forms(word)[-1] not in "aeiouy"


def _consonant_vowel_consonant(stem: str) -> bool:
    """The paper's *o: the stem ends in consonant, vowel, consonant, the last not w, x or y."""
    last = _forms(stem)[-3:]
    vowels = [letter in "aeiouy" for letter in last]
    return vowels == [False, True, False] and stem[-1] not in "wxy"


def _step_1(word: str) -> str:
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        word = word[:-1] if _measure(word[:-3]) > 0 else word
    else:
        for ending in ("ed", "ing"):
            stem = word.removesuffix(ending)
            if stem != word and _has_vowel(stem):
                word = _restored(stem)
                break
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    return word


def _restored(stem: str) -> str:
    """After removing -ed or -ing: conflat(e), hop(p), fil(e)."""
    if stem.endswith(E_AFTER_1B):
        return stem + "e"
    if _doubled(stem):
        return stem if stem.endswith(NO_UNDOUBLING) else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _consonant_vowel_consonant(stem) else stem


def _replaced(word: str, endings: tuple[tuple[str, str], ...]) -> str:
    for ending, by in endings:
        if word.endswith(ending):
            stem = word[: -len(ending)]
            return stem + by if _measure(stem) > 0 else word
    return word


def _step_4(word: str) -> str:
    ending = max((ending for ending in STEP_4 if word.endswith(ending)), key=len, default="")
    stem = word[: len(word) - len(ending)]
    if not ending or (ending == "ion" and not stem.endswith(("s", "t"))):
        return word
    return stem if _measure(stem) > 1 else word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _consonant_vowel_consonant(word[:-1])):
            word = word[:-1]
    if word.endswith("ll") and _measure(word) > 1:
        word = word[:-1]
    return word
