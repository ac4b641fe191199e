"""The analyzers under pymilvus.model's module name."""

from refimpl.sparse.analyzers import Analyzer, build_analyzer_from_yaml, build_default_analyzer
from refimpl.sparse.analyzers.build import register_class
from refimpl.sparse.analyzers.cjk import JiebaTokenizer, KiwiTokenizer, KonlpyTokenizer, MecabTokenizer
from refimpl.sparse.analyzers.nltk_words import StandardTokenizer
from refimpl.sparse.analyzers.steps import (
    CharacterfilterPreprocessor,
    LowercaseFilter,
    Preprocessor,
    PunctuationFilter,
    ReplacePreprocessor,
    StemmingFilter,
    StopwordFilter,
    TextFilter,
    Tokenizer,
)

__all__ = [
    "Analyzer",
    "CharacterfilterPreprocessor",
    "JiebaTokenizer",
    "KiwiTokenizer",
    "KonlpyTokenizer",
    "LowercaseFilter",
    "MecabTokenizer",
    "Preprocessor",
    "PunctuationFilter",
    "ReplacePreprocessor",
    "StandardTokenizer",
    "StemmingFilter",
    "StopwordFilter",
    "TextFilter",
    "Tokenizer",
    "build_analyzer_from_yaml",
    "build_default_analyzer",
    "register_class",
]
