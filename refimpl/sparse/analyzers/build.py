"""Analyzers by name, by pymilvus.model's language codes, and from its YAML."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from refimpl.sparse.analyzers import steps
from refimpl.sparse.analyzers.analyzer import Analyzer
from refimpl.sparse.analyzers.nltk_words import StandardTokenizer
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH

# pymilvus.model's codes, its `sp` for Spanish included.
LANGUAGES = {
    **{"en": "english", "de": "german", "fr": "french", "ru": "russian"},
    **{"sp": "spanish", "it": "italian", "pt": "portuguese"},
}
NEEDS_A_PACKAGE = {"zh": "jieba", "jp": "MeCab", "kr": "konlpy"}

CLASSES: dict[str, Callable[..., Any]] = {
    "CharacterfilterPreprocessor": steps.CharacterfilterPreprocessor,
    "ReplacePreprocessor": steps.ReplacePreprocessor,
    "StandardTokenizer": StandardTokenizer,
    "PatternTokenizer": steps.PatternTokenizer,
    "UAX29Tokenizer": steps.UAX29Tokenizer,
    "LowercaseFilter": steps.LowercaseFilter,
    "StopwordFilter": steps.StopwordFilter,
    "PunctuationFilter": steps.PunctuationFilter,
    "PossessiveFilter": steps.PossessiveFilter,
    "StemmingFilter": steps.StemmingFilter,
    "PorterFilter": steps.PorterFilter,
}


def build_analyzer(name: str) -> Analyzer:
    r"""One of the ready-made analyzers; ValueError lists their names.

    `pymilvus-en` and its like: what pymilvus.model's `build_default_analyzer` gives. `lucene-english`: Lucene's
    EnglishAnalyzer. `milvus-standard`: Milvus's standard analyzer, runs of letters and digits in lower case. `simple`:
    runs of word characters (`\w+`) in lower case.
    """
    if name not in READY_MADE:
        raise ValueError(f"analyzer must be one of {', '.join(READY_MADE)}; got {name!r:.60}")
    return READY_MADE[name]()


def build_default_analyzer(language: str = "en") -> Analyzer:
    """The analyzer that pymilvus.model has for `language`: en, de, fr, ru, sp, it or pt.

    Raises ValueError for others; for zh, jp and kr it names the package that tokenises them.
    """
    if language in NEEDS_A_PACKAGE:
        raise ValueError(
            f"language {language!r} is tokenised by {NEEDS_A_PACKAGE[language]}, which refimpl does not include: "
            "give any function from a text to its tokens as the analyzer"
        )
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}; got {language!r:.60}")
    return _pymilvus(language)


def build_analyzer_from_yaml(filepath: str | os.PathLike[str], name: str) -> Analyzer:
    """The analyzer that a YAML file describes under `name`, as in pymilvus.model: tokenizer, preprocessors, filters.

    Each is a `class` of `CLASSES` with its `params`. Raises FileNotFoundError, and ValueError for a file that does not
    describe one.
    """
    import yaml

    try:
        config = yaml.safe_load(Path(filepath).read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{filepath} is not YAML: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get(name), dict):
        names = ", ".join(map(str, config)) if isinstance(config, dict) else "none"
        raise ValueError(f"{filepath} has no analyzer called {name!r}; it has: {names}")
    described = config[name]
    if "tokenizer" not in described:
        raise ValueError(f"{filepath}: {name} has no tokenizer")
    return Analyzer(
        name=name,
        tokenizer=_step(described["tokenizer"], filepath),
        preprocessors=[_step(step, filepath) for step in described.get("preprocessors") or []],
        filters=[_step(step, filepath) for step in described.get("filters") or []],
    )


def _step(described: object, filepath: str | os.PathLike[str]) -> Any:
    if not isinstance(described, dict) or described.get("class") not in CLASSES:
        raise ValueError(f"{filepath}: a step needs a class out of {', '.join(CLASSES)}; got {described!r:.80}")
    try:
        return CLASSES[described["class"]](**(described.get("params") or {}))
    except TypeError as error:
        raise ValueError(
            f"{filepath}: {described['class']} does not take {described.get('params')!r}: {error}"
        ) from error


def _pymilvus(code: str) -> Analyzer:
    """Tokens, lower case, punctuation, stop words, stems; German has its stop words before its punctuation."""
    language = LANGUAGES[code]
    drops = [steps.PunctuationFilter("¡¿" if code == "sp" else ""), steps.StopwordFilter(language)]
    if code == "de":
        drops.reverse()
    filters = [steps.LowercaseFilter(), *drops, steps.StemmingFilter(language)]
    return Analyzer(f"pymilvus-{code}", StandardTokenizer(), filters=filters)


def _lucene_english() -> Analyzer:
    filters = [
        steps.PossessiveFilter(),
        steps.SimpleLowercaseFilter(),
        steps.FixedStopwordFilter(LUCENE_ENGLISH.split()),
        steps.PorterFilter(),
    ]
    return Analyzer("lucene-english", steps.UAX29Tokenizer(), filters=filters)


def _milvus_standard() -> Analyzer:
    tokenizer = steps.PatternTokenizer(r"[\p{Alphabetic}\p{N}]+")
    return Analyzer("milvus-standard", tokenizer, filters=[steps.SimpleLowercaseFilter()])


def _simple() -> Analyzer:
    return Analyzer("simple", steps.PatternTokenizer(), filters=[steps.LowercaseFilter()])


READY_MADE: dict[str, Callable[[], Analyzer]] = {
    **{f"pymilvus-{code}": partial(_pymilvus, code) for code in LANGUAGES},
    "lucene-english": _lucene_english,
    "milvus-standard": _milvus_standard,
    "simple": _simple,
}
