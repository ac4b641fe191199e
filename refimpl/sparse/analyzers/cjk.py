"""Tokenizers for Chinese, Japanese and Korean, by the packages that pymilvus.model uses (extra `cjk`).

Chinese: jieba. Japanese: MeCab with unidic-lite. Korean: KoNLPy's Kkma, which needs Java, or Kiwi, which does not. Each
package is imported, and its dictionary read, once per process.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Any, ClassVar

from refimpl.common.extras import importing
from refimpl.common.resources import cache_dir
from refimpl.sparse.analyzers.steps import Step

Split = Callable[[str], Iterable[str]]


class _PackageTokenizer(Step):
    """The tokens of a package's function; the versions of its distributions are settings, as its tokens may differ.

    Raises ModuleNotFoundError, with the extra to install, if the package is missing.
    """

    distributions: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        with importing("cjk"):
            self._split = self._load()
        self.settings = {name: version(name) for name in self.distributions}

    @staticmethod
    def _load() -> Split:
        raise NotImplementedError

    def tokenize(self, text: str) -> list[str]:
        """The tokens of `text` in order."""
        return list(self._split(text))

    def __reduce__(self) -> tuple[type["_PackageTokenizer"], tuple[()]]:
        return type(self), ()


class JiebaTokenizer(_PackageTokenizer):
    """Chinese words by jieba's default tokenizer, with the words that `jieba.load_userdict` has added to it.

    Those words are no part of the fingerprint, and not in the processes of `num_workers` that do not fork.
    """

    distributions = ("jieba",)

    @staticmethod
    def _load() -> Split:
        import jieba

        if jieba.dt.tmp_dir is None:  # where it would read what any user of the machine may have written
            folder = cache_dir() / "jieba"
            with suppress(OSError):  # jieba works without
                folder.mkdir(parents=True, exist_ok=True)
            jieba.dt.tmp_dir = str(folder)
        split: Split = jieba.lcut
        return split


class MecabTokenizer(_PackageTokenizer):
    r"""Japanese morphemes by MeCab with its default dictionary: unidic if installed, else unidic-lite.

    As in MeCab, a text ends at a null character. Lone surrogates, which MeCab refuses, are read as \N{REPLACEMENT
    CHARACTER}. Raises OSError if MeCab finds no dictionary.
    """

    distributions = ("mecab-python3",)

    def __init__(self) -> None:
        super().__init__()
        self.settings = {**self.settings, "dictionary_words": _mecab().dictionary_info().size}

    @staticmethod
    def _load() -> Split:
        parse = _mecab().parse
        return lambda text: parse(_without_lone_surrogates(text)).split()


class KiwiTokenizer(_PackageTokenizer):
    r"""Korean morphemes by Kiwi; without Java. Lone surrogates are read as \N{REPLACEMENT CHARACTER}."""

    distributions = ("kiwipiepy", "kiwipiepy_model")

    @staticmethod
    def _load() -> Split:
        analyze = _kiwi().tokenize
        return lambda text: [token.form for token in analyze(_without_lone_surrogates(text), normalize_coda=True)]


class KonlpyTokenizer(_PackageTokenizer):
    r"""Korean nouns by KoNLPy's Kkma, which runs in Java. Lone surrogates are read as \N{REPLACEMENT CHARACTER}.

    Raises OSError without Java, and in a forked process whose parent runs Java, which does not survive a fork.
    """

    distributions = ("konlpy",)

    @staticmethod
    def _load() -> Split:
        nouns = _kkma().nouns
        return lambda text: nouns(_without_lone_surrogates(text)) if text else []


@cache
def _mecab() -> Any:
    import MeCab

    try:
        return MeCab.Tagger("-Owakati")
    except RuntimeError as error:
        message = "MeCab needs a dictionary, got none: install unidic-lite with pip install 'refimpl[cjk]'"
        raise OSError(message) from error


@cache
def _kiwi() -> Any:
    from kiwipiepy import Kiwi

    return Kiwi()


_kkma_of_process: dict[int, Any] = {}


def _kkma() -> Any:
    from konlpy.tag import Kkma

    process = os.getpid()
    if process in _kkma_of_process:
        return _kkma_of_process[process]
    if _kkma_of_process:
        raise OSError("KoNLPy's Kkma runs in Java, which does not survive a fork: pass num_workers=1")
    try:
        _kkma_of_process[process] = Kkma()
    except ValueError as error:  # of JPype, for no Java or an unsuitable one
        raise OSError(
            f"KoNLPy's Kkma needs Java, got none ({error}): install a JDK and set JAVA_HOME, "
            "or use an analyzer with KiwiTokenizer, which needs none"
        ) from error
    return _kkma_of_process[process]


def _without_lone_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
