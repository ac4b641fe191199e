"""The analyzers again, under the module name that pymilvus.model keeps them in."""

from refimpl.sparse.analyzers import Analyzer, build_analyzer_from_yaml, build_default_analyzer
from refimpl.sparse.analyzers.nltk_words import StandardTokenizer
from refimpl.sparse.analyzers.steps import (
    CharacterfilterPreprocessor,
    LowercaseFilter,
    PunctuationFilter,
    ReplacePreprocessor,
    StemmingFilter,
    StopwordFilter,
)

__all__ = [
    "Analyzer",
    "CharacterfilterPreprocessor",
    "LowercaseFilter",
    "PunctuationFilter",
    "ReplacePreprocessor",
    "StandardTokenizer",
    "StemmingFilter",
    "StopwordFilter",
    "build_analyzer_from_yaml",
    "build_default_analyzer",
]
