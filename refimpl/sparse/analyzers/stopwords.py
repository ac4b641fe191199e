"""Stop words: NLTK's lists, or refimpl's own short ones if NLTK's are not available."""

import logging
import warnings
from functools import cache
from pathlib import Path

from refimpl import models
from refimpl.sparse.analyzers.own_stopwords import OWN

log = logging.getLogger(__name__)


class AnalyzerDataWarning(UserWarning):
    """NLTK's data is not available, so an analyzer's terms differ from those that its name promises."""


@cache
def nltk_data() -> Path | None:
    """Folder of NLTK's Punkt parameters and stop words, downloaded once; None, with a warning, if not available."""
    try:
        return models.path("nltk-data")
    except models.ModelUnavailableError as error:
        log.info("%s", error)
        warnings.warn(
            "NLTK's Punkt parameters and stop words are not available. A text is treated as one sentence, so words "
            "before an inner full stop keep it ('end.' for 'end'), and a shorter stop word list is used, so that more "
            "words remain. Run `refimpl models fetch nltk-data` when connected",
            AnalyzerDataWarning,
            stacklevel=2,
        )
        return None


def of_language(language: str) -> frozenset[str]:
    """NLTK's stop words for `language`, or refimpl's without NLTK's data; ValueError for an unknown language."""
    folder = nltk_data()
    known = (
        sorted(OWN)
        if folder is None
        else sorted(p.name for p in (folder / "corpora/stopwords").iterdir() if p.name.islower())
    )
    if language not in known:
        raise ValueError(f"no stop words for {language!r}: choose from {', '.join(known)}")
    if folder is None:
        return frozenset(OWN[language].split())
    return frozenset(word for word in (folder / "corpora/stopwords" / language).read_text("utf-8").splitlines() if word)
