"""Words of a language, and random texts of them."""

import random
from functools import cache
from gettext import GNUTranslations
from importlib.util import find_spec
from pathlib import Path

from refimpl import models

PUNCTUATION = (*" \n.,;:!?-'\"()«»„“”’…—/", "", "", " ", " ", " ", " ")


def words_seen(language: str) -> list[str]:
    """The words that NLTK's Punkt was trained on, and the stop words."""
    root = models.path("nltk-data")
    rows = (root / f"tokenizers/punkt_tab/{language}/ortho_context.tab").read_text("utf-8").splitlines()
    return [row.split("\t")[0] for row in rows] + (root / f"corpora/stopwords/{language}").read_text("utf-8").split()


def random_texts(language: str, n: int) -> list[str]:
    """Texts of one to eight words: of the language, of two of its words' halves, of its letters, of any characters."""
    rng, seen = random.Random(language), words_seen(language)
    letters = sorted({letter for word in seen for letter in word if letter.isalpha()})

    def word() -> str:
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(seen)
        if kind < 0.75:
            start, end = rng.choice(seen), rng.choice(seen)
            return start[: rng.randint(0, len(start))] + end[rng.randint(0, len(end)) :]
        if kind < 0.95:
            return "".join(rng.choices(letters, k=rng.randint(1, 9)))
        return "".join(
            chr(rng.choice((rng.randrange(0x530), rng.randrange(0x10000)))) for _ in range(rng.randint(1, 4))
        )

    def cased(text: str) -> str:
        return rng.choice((str.lower, str.lower, str.title, str.upper))(text)

    return ["".join(cased(word()) + rng.choice(PUNCTUATION) for _ in range(rng.randint(1, 8))) for _ in range(n)]


LOCALES = {"zh": "zh_CN", "jp": "ja_JP", "kr": "ko_KR"}


@cache
def translations(code: str) -> list[str]:
    """The distinct messages of JupyterLab and its extensions in a language of pymilvus.model's code."""
    locale = LOCALES[code]
    spec = find_spec(f"jupyterlab_language_pack_{locale}")
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, None] = {}
    for file in sorted(Path(spec.origin).parent.glob(f"locale/{locale}/LC_MESSAGES/*.mo")):
        with file.open("rb") as opened:
            messages = vars(GNUTranslations(opened))["_catalog"].values()
        found |= dict.fromkeys(text for text in messages if isinstance(text, str) and not text.isascii())
    return list(found)
