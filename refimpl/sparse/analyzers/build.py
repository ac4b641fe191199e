"""Analyzers by name, by pymilvus.model's language codes, and from its YAML files."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from refimpl.sparse.analyzers import cjk, steps
from refimpl.sparse.analyzers.analyzer import Analyzer
from refimpl.sparse.analyzers.nltk_words import StandardTokenizer
from refimpl.sparse.analyzers.own_stopwords import LUCENE_ENGLISH

# pymilvus.model's language codes; `sp` is its code for Spanish
LANGUAGES = {
    **{"en": "english", "de": "german", "fr": "french", "ru": "russian"},
    **{"sp": "spanish", "it": "italian", "pt": "portuguese"},
}
CHINESE_PUNCTUATION = (
    " 、＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､〃〈〉《》「」『』【】〔〕"
    "〖〗〘〙〚〛〜〝〞〟〰–—‘’‛“”„‟…‧﹏﹑﹔·．！？｡。"
)
JAPANESE_PUNCTUATION = "、。「」『』【】（）｛｝・：；！？ー〜…‥[]"

T = TypeVar("T", bound=Callable[..., Any])
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
    "JiebaTokenizer": cjk.JiebaTokenizer,
    "MecabTokenizer": cjk.MecabTokenizer,
    "KiwiTokenizer": cjk.KiwiTokenizer,
    "KonlpyTokenizer": cjk.KonlpyTokenizer,
}


def register_class(register_as: str) -> Callable[[T], T]:
    """A class decorator, as in pymilvus.model: YAML files then name the class `register_as` (see `CLASSES`)."""

    def decorator(cls: T) -> T:
        CLASSES[register_as] = cls
        return cls

    return decorator


def build_analyzer(name: str) -> Analyzer:
    r"""Return the ready-made analyzer called `name`.

    Parameters
    ----------
    name
        `pymilvus-en`, `pymilvus-de`, ...: those of `build_default_analyzer`. `lucene-english`: Lucene's
        EnglishAnalyzer. `milvus-standard`: Milvus's standard analyzer, runs of letters and digits in lower case.
        `simple`: runs of word characters (`\w+`) in lower case.

    Returns
    -------
    Analyzer
        A function from a text to its list of terms.

    Raises
    ------
    ValueError
        For any other name, with the known ones.

    Notes
    -----
    Sources: pymilvus.model 0.3.4; Lucene's EnglishAnalyzer with the Porter stemmer (Porter 1980); the standard analyzer
    of Milvus's documentation. The example's terms are those of Lucene's own TestEnglishAnalyzer.

    Examples
    --------
    >>> from refimpl import build_analyzer
    >>> analyze = build_analyzer("lucene-english")
    >>> analyze("the books"), analyze("steven's")
    (['book'], ['steven'])
    """
    if name not in READY_MADE:
        raise ValueError(f"analyzer must be one of {', '.join(READY_MADE)}; got {name!r:.60}")
    return READY_MADE[name]()


def build_default_analyzer(language: str = "en") -> Analyzer:
    """Return pymilvus.model's default analyzer for a language.

    Parameters
    ----------
    language
        en, de, fr, ru, sp (Spanish), it or pt; with the extra `cjk` also zh, jp (Japanese) and kr (Korean; needs Java).

    Returns
    -------
    Analyzer
        A function from a text to its list of terms: lower case, without punctuation and stop words, stemmed. zh: words
        without stop words and punctuation; jp: morphemes without punctuation and English stop words; kr: nouns without
        English stop words.

    Raises
    ------
    ValueError
        For any other language.
    ModuleNotFoundError
        Without the package that tokenises zh, jp or kr; the message names it and the extra.
    OSError
        For kr without Java.

    Notes
    -----
    The steps are those of pymilvus.model 0.3.4: NLTK's word tokenizer, stop words and Snowball stemmers; jieba, MeCab
    and KoNLPy's Kkma.

    Examples
    --------
    >>> from refimpl import build_default_analyzer
    >>> analyze = build_default_analyzer("en")
    >>> analyze("Artificial intelligence was founded as an academic discipline in 1956.")
    ['artifici', 'intellig', 'found', 'academ', 'disciplin', '1956']
    """
    if language not in LANGUAGES and language not in CJK:
        raise ValueError(f"language must be one of {', '.join((*LANGUAGES, *CJK))}; got {language!r:.60}")
    return READY_MADE[f"pymilvus-{language}"]()


def build_analyzer_from_yaml(filepath: str | os.PathLike[str], name: str) -> Analyzer:
    """Return the analyzer under a key of a YAML file in pymilvus.model's format.

    Parameters
    ----------
    filepath
        The file. An entry has a `tokenizer` and, if any, lists of `preprocessors` and `filters`; each step is a `class`
        of `CLASSES` with its `params`.
    name
        The key of the entry.

    Returns
    -------
    Analyzer
        A function from a text to its list of terms.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For a file without a valid analyzer of this name.

    Notes
    -----
    The format is that of lang.yaml in pymilvus.model 0.3.4, which needs `params` in every step; here a step may have
    none.

    Examples
    --------
    >>> from pathlib import Path
    >>> from refimpl import build_analyzer_from_yaml
    >>> file = Path("analyzers.yaml")
    >>> _ = file.write_text('''
    ... words:
    ...   tokenizer: {class: StandardTokenizer, params: {}}
    ...   filters:
    ...     - {class: LowercaseFilter, params: {}}
    ...     - {class: StopwordFilter, params: {language: english}}
    ... ''')
    >>> build_analyzer_from_yaml(file, "words")("The planets are orbiting")
    ['planets', 'orbiting']
    """
    import yaml

    try:
        config = yaml.safe_load(Path(filepath).read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{filepath} is not YAML: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get(name), dict):
        names = ", ".join(map(str, config)) if isinstance(config, dict) else "none"
        raise ValueError(f"{filepath} has no analyzer called {name!r}; it has: {names}")
    entry = config[name]
    if "tokenizer" not in entry:
        raise ValueError(f"{filepath}: {name} has no tokenizer")
    return Analyzer(
        name=name,
        tokenizer=_step(entry["tokenizer"], filepath),
        preprocessors=[_step(step, filepath) for step in entry.get("preprocessors") or []],
        filters=[_step(step, filepath) for step in entry.get("filters") or []],
    )


def _step(entry: object, filepath: str | os.PathLike[str]) -> Any:
    if not isinstance(entry, dict) or entry.get("class") not in CLASSES:
        raise ValueError(f"{filepath}: a step's class must be one of {', '.join(CLASSES)}; got {entry!r:.80}")
    try:
        return CLASSES[entry["class"]](**(entry.get("params") or {}))
    except TypeError as error:
        raise ValueError(f"{filepath}: {entry['class']} does not take {entry.get('params')!r}: {error}") from error


def _pymilvus(code: str) -> Analyzer:
    """Lower case, punctuation, stop words, stems; German filters stop words before punctuation."""
    language = LANGUAGES[code]
    removed = [steps.PunctuationFilter("¡¿" if code == "sp" else ""), steps.StopwordFilter(language)]
    if code == "de":
        removed.reverse()
    filters = [steps.LowercaseFilter(), *removed, steps.StemmingFilter(language)]
    return Analyzer(f"pymilvus-{code}", StandardTokenizer(), filters=filters)


def _chinese() -> Analyzer:
    filters = [steps.StopwordFilter("chinese"), steps.PunctuationFilter(CHINESE_PUNCTUATION)]
    return Analyzer("pymilvus-zh", cjk.JiebaTokenizer(), filters=filters)


def _japanese() -> Analyzer:
    """English stop words, as in pymilvus.model."""
    spaces = steps.CharacterfilterPreprocessor(JAPANESE_PUNCTUATION)
    return Analyzer("pymilvus-jp", cjk.MecabTokenizer(), [spaces], [steps.StopwordFilter(), steps.PunctuationFilter()])


def _korean() -> Analyzer:
    """English stop words, as in pymilvus.model."""
    return Analyzer("pymilvus-kr", cjk.KonlpyTokenizer(), filters=[steps.StopwordFilter()])


CJK: dict[str, Callable[[], Analyzer]] = {"zh": _chinese, "jp": _japanese, "kr": _korean}


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
    **{f"pymilvus-{code}": build for code, build in CJK.items()},
    "lucene-english": _lucene_english,
    "milvus-standard": _milvus_standard,
    "simple": _simple,
}
