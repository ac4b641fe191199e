"""Tokenizers of other packages: what is raised where the package, Java or the dictionary is missing."""

import sys
from types import ModuleType

import pytest

from refimpl import build_analyzer, build_default_analyzer
from refimpl.sparse.analyzers import cjk
from refimpl.sparse.analyzers.steps import PunctuationFilter, StopwordFilter


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    cjk._mecab.cache_clear()
    cjk._kiwi.cache_clear()
    monkeypatch.setattr(cjk, "_kkma_of_process", {})


@pytest.mark.parametrize(("code", "package"), [("zh", "jieba"), ("jp", "MeCab"), ("kr", "konlpy")])
def test_without_its_package_a_language_is_refused_with_the_extra(code, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"expected the package {package}.*pip install 'refimpl\[cjk\]'"):
        build_default_analyzer(code)
    with pytest.raises(ModuleNotFoundError, match=package):
        build_analyzer(f"pymilvus-{code}")


def test_without_kiwi_its_tokenizer_is_refused_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(ModuleNotFoundError, match=r"expected the package kiwipiepy.*refimpl\[cjk\]"):
        cjk.KiwiTokenizer()


def imitation(monkeypatch, name: str, **attributes: object) -> None:
    """A module `name` with these attributes, in place of one that may be installed."""
    module = ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


def test_without_java_korean_is_refused_with_what_needs_none(monkeypatch):
    def no_java() -> None:
        raise ValueError("No JVM shared library file (libjvm.so) found")  # JPype's JVMNotFoundException is one

    imitation(monkeypatch, "konlpy")
    imitation(monkeypatch, "konlpy.tag", Kkma=no_java)
    with pytest.raises(OSError, match=r"Kkma needs Java, got none \(No JVM.*KiwiTokenizer, which needs none"):
        build_default_analyzer("kr")


def test_in_a_process_forked_from_one_that_runs_java_korean_is_refused(monkeypatch):
    imitation(monkeypatch, "konlpy")
    imitation(monkeypatch, "konlpy.tag", Kkma=object)
    cjk._kkma_of_process[-1] = object()
    with pytest.raises(OSError, match=r"does not survive a fork: pass num_workers=1"):
        build_default_analyzer("kr")


def test_without_a_dictionary_japanese_is_refused_with_the_extra(monkeypatch):
    def no_dictionary(arguments: str) -> None:
        raise RuntimeError(f"Failed initializing MeCab with {arguments}")

    imitation(monkeypatch, "MeCab", Tagger=no_dictionary)
    with pytest.raises(OSError, match=r"MeCab needs a dictionary, got none.*refimpl\[cjk\]"):
        build_default_analyzer("jp")


def test_chinese_stop_words_and_punctuation_are_dropped():
    """By hand: the commonest function words and marks."""
    words = StopwordFilter("chinese")
    assert [words.token(word) for word in ("的", "我们", "没有", "但是", "数据库")] == [None] * 4 + ["数据库"]
    marks = PunctuationFilter("，。")
    assert marks.apply(["，", "好", "。", "."]) == ["好"]
