"""Words for probes: five letters, so that none is part of another; no stop words; nothing for a stemmer to remove."""

import itertools
import random
from collections.abc import Iterator

CONSONANTS = "bdfgklmnprtvz"
VOWELS = "aeiou"
LAST = "kbgv"  # no suffix of an English, German, French or Spanish stemmer ends so after one vowel


def words(seed: int) -> Iterator[str]:
    """All words of the pattern, shuffled by `seed`."""
    patterns = itertools.product(CONSONANTS, VOWELS, CONSONANTS, VOWELS, LAST)
    every = ["".join(letters) for letters in patterns if letters[2] != "v" or letters[3] != "i"]  # no -iv, -ive
    random.Random(seed).shuffle(every)
    return iter(every)
