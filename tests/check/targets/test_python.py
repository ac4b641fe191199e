"""`module:attribute` is loaded, called, and its failures reported."""

import time

import numpy as np
import pytest

from refimpl.check.targets.base import AnswerError, RefusedError, TargetError
from refimpl.check.targets.python import PythonTarget, load


def test_texts_are_passed_as_one_list_and_objects_as_keywords():
    assert PythonTarget(lambda texts: [len(t) for t in texts], "f").run("embed", ["a", "bb"]) == [1, 2]
    queries = [{"query": "q", "documents": ["d"], "top_k": None}]
    assert PythonTarget(lambda query, documents, top_k: (query, top_k), "f").run("rerank", queries) == [("q", None)]


def test_settings_of_bm25_without_a_parameter_are_left_out():
    def some(corpus, queries, k1):
        return k1

    one = {"corpus": [], "queries": [], "k1": 1.5, "b": 0.75, "variant": "atire"}
    assert PythonTarget(some, "mine").run("bm25", [one]) == [1.5]
    assert PythonTarget(lambda **more: sorted(more), "mine").run("bm25", [one]) == [sorted(one)]


def test_an_array_is_one_answer_per_row():
    rows = PythonTarget(lambda texts: np.ones((len(texts), 2)), "f").run("embed", ["a", "b", "c"])
    assert [row.tolist() for row in rows] == [[1.0, 1.0]] * 3


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError, RefusedError), (KeyError, TargetError), (SystemExit, TargetError)]
)
def test_an_exception_is_reported(error, kind):
    def f(texts):
        raise error("no such text")

    with pytest.raises(kind, match=f"f raised {error.__name__}: .*no such text"):
        PythonTarget(f, "f").run("embed", ["a"])


def test_too_few_rows_and_no_rows():
    with pytest.raises(AnswerError, match="expected 2 answers from f, one per input in order, got 1"):
        PythonTarget(lambda texts: [1], "f").run("embed", ["a", "b"])
    with pytest.raises(TargetError, match="f: expected one answer per text, as a list or array, got NoneType"):
        PythonTarget(lambda texts: None, "f").run("embed", ["a"])


def test_a_call_that_does_not_return():
    with pytest.raises(TargetError, match=r"f did not return within 0\.1 s"):
        PythonTarget(lambda texts: time.sleep(5), "f", timeout_s=0.1).run("embed", ["a"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mine", "expected a Python target as module:attribute"),
        ("no_such_module_here:f", "cannot be imported: ModuleNotFoundError"),
        ("json:no_such", "json has no 'no_such'"),
        ("json:JSONDecoder", "expected a callable, got a class"),
        ("json:__name__", "expected a callable, got str"),
    ],
)
def test_invalid_paths(path, message):
    with pytest.raises(TargetError, match=message):
        load(path)


def test_a_module_of_the_working_folder_and_a_method(tmp_path, monkeypatch):
    (tmp_path / "my_encoder_for_test.py").write_text(
        "class E:\n    def encode(self, t): return [9 for _ in t]\ne = E()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert load("my_encoder_for_test:e.encode").run("embed", ["a"]) == [9]
