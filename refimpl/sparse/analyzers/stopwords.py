"""Stop words: NLTK's lists, or our own short ones where those cannot be had."""

import logging
import warnings
from functools import cache
from pathlib import Path

from refimpl import models
from refimpl.sparse.analyzers.own_stopwords import OWN

log = logging.getLogger(__name__)


class AnalyzerDataWarning(UserWarning):
    """NLTK's data could not be had, so an analyzer works with less than its name promises."""


@cache
def nltk_data() -> Path | None:
    """Folder of NLTK's Punkt parameters and stop words, fetched once; None, with a warning, where it cannot be had."""
    try:
        return models.path("nltk-data")
    except models.ModelUnavailableError as error:
        log.info("%s", error)
        warnings.warn(
            "NLTK's Punkt parameters and stop words could not be had. A text is taken as one sentence, so that words "
            "before an inner full stop keep it ('end.' for 'end'), and a short stop list of our own stands in, so that "
            "more words remain. Run `refimpl models fetch nltk-data` when connected",
            AnalyzerDataWarning,
            stacklevel=2,
        )
        return None


def of_language(language: str) -> frozenset[str]:
    """NLTK's stop words for `language`, or ours when there is no data; ValueError for a language that has none."""
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
