"""Analyzers: texts to terms, by character filters, a tokenizer and token filters."""

from refimpl.sparse.analyzers.analyzer import Analyzer
from refimpl.sparse.analyzers.build import build_analyzer, build_analyzer_from_yaml, build_default_analyzer
from refimpl.sparse.analyzers.stopwords import AnalyzerDataWarning

__all__ = ["Analyzer", "AnalyzerDataWarning", "build_analyzer", "build_analyzer_from_yaml", "build_default_analyzer"]
