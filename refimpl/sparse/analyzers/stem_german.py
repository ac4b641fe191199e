"""The German Snowball stemmer, in the version of NLTK's SnowballStemmer("german").

Source: Martin Porter, German stemming algorithm, snowballstem.org, as of 2006; PyStemmer 3 has a later version that
also removes -et, -eln and -erin. NLTK deviates from the algorithm by matching suffixes in R1 and R2 as separate
strings, shortened with the word; so does this module.
"""

VOWELS = frozenset("aeiouyäöü")
BEFORE_S = frozenset("bdfghklmnrt")
BEFORE_ST = frozenset("bdfghklmnt")
STEP_1 = ("ern", "em", "er", "en", "es", "e", "s")
STEP_2 = ("est", "en", "er", "st")
STEP_3 = ("isch", "lich", "heit", "keit", "end", "ung", "ig", "ik")
PLAIN = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "U": "u", "Y": "y"})


def stem(word: str) -> str:
    """The stem of `word`, in lower case and without umlauts."""
    word = _consonants(word.lower().replace("ß", "ss"))
    start_1, start_2 = _regions(word)
    r1, r2 = word[start_1:], word[start_2:]
    for step in (_step_1, _step_2):
        if letters := step(word, r1):
            word, r1, r2 = word[:-letters], r1[:-letters], r2[:-letters]
    if letters := _step_3(r1, r2):
        word = word[:-letters]
    return word.translate(PLAIN)


def _consonants(word: str) -> str:
    """`word` with each u and y between vowels, which are consonants there, in upper case."""
    letters = list(word)
    for i in range(1, len(letters) - 1):
        if letters[i] in "uy" and letters[i - 1] in VOWELS and letters[i + 1] in VOWELS:
            letters[i] = letters[i].upper()
    return "".join(letters)


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 start: after the first and second consonant that follows a vowel; R1 not before letter four."""
    first = _after_vowel_consonant(word, 0)
    second = _after_vowel_consonant(word, first)
    return (max(first, 3) if first < len(word) or _ends_region(word) else first), second


def _ends_region(word: str) -> bool:
    return len(word) > 1 and word[-1] not in VOWELS and word[-2] in VOWELS


def _after_vowel_consonant(word: str, start: int) -> int:
    for i in range(start + 1, len(word)):
        if word[i] not in VOWELS and word[i - 1] in VOWELS:
            return i + 1
    return len(word)


def _first(region: str, suffixes: tuple[str, ...]) -> str:
    """The first of `suffixes` that `region` ends with, or an empty str."""
    return next((suffix for suffix in suffixes if region.endswith(suffix)), "")


def _step_1(word: str, r1: str) -> int:
    """Number of letters of an inflection to remove."""
    suffix = _first(r1, STEP_1)
    if suffix in ("en", "es", "e") and word[: -len(suffix)].endswith("niss"):
        return len(suffix) + 1
    if suffix == "s":
        return 1 if word[-2] in BEFORE_S else 0
    return len(suffix)


def _step_2(word: str, r1: str) -> int:
    """Number of letters of a comparison to remove."""
    suffix = _first(r1, STEP_2)
    if suffix == "st":
        return 2 if word[-3] in BEFORE_ST and len(word) >= 6 else 0
    return len(suffix)


def _step_3(r1: str, r2: str) -> int:
    """Number of letters of a derivation to remove."""
    suffix = _first(r2, STEP_3)
    if not suffix:
        return 0
    before_1, before_2 = r1[: -len(suffix)], r2[: -len(suffix)]
    if suffix in ("end", "ung"):
        return len(suffix) + (2 if before_2.endswith("ig") and not before_2.endswith("eig") else 0)
    if suffix in ("ig", "ik", "isch"):
        return 0 if before_2.endswith("e") else len(suffix)
    if suffix in ("lich", "heit"):
        return len(suffix) + (2 if before_1.endswith(("er", "en")) else 0)
    if before_2.endswith("lich"):
        return len(suffix) + 4
    return len(suffix) + (2 if before_2.endswith("ig") else 0)
