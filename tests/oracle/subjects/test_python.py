"""`module:attribute` found, called, and its failures told."""

import time

import numpy as np
import pytest

from refimpl.oracle.subjects.base import AnswerError, RefusedError, SubjectError
from refimpl.oracle.subjects.python import PythonSubject, load


def test_texts_are_passed_as_one_list_and_objects_as_keywords():
    assert PythonSubject(lambda texts: [len(t) for t in texts], "f").ask("embed", ["a", "bb"]) == [1, 2]
    asked = [{"query": "q", "documents": ["d"], "top_k": None}]
    assert PythonSubject(lambda query, documents, top_k: (query, top_k), "f").ask("rerank", asked) == [("q", None)]


def test_an_array_is_one_answer_a_row():
    rows = PythonSubject(lambda texts: np.ones((len(texts), 2)), "f").ask("embed", ["a", "b", "c"])
    assert [row.tolist() for row in rows] == [[1.0, 1.0]] * 3


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError, RefusedError), (KeyError, SubjectError), (SystemExit, SubjectError)]
)
def test_what_it_raises_is_told(error, kind):
    def f(texts):
        raise error("no such text")

    with pytest.raises(kind, match=f"f raised {error.__name__}: .*no such text"):
        PythonSubject(f, "f").ask("embed", ["a"])


def test_too_few_rows_and_no_rows():
    with pytest.raises(AnswerError, match="f gave 1 answers for 2 inputs"):
        PythonSubject(lambda texts: [1], "f").ask("embed", ["a", "b"])
    with pytest.raises(SubjectError, match="f returned NoneType: one answer a text"):
        PythonSubject(lambda texts: None, "f").ask("embed", ["a"])


def test_a_call_that_does_not_return():
    with pytest.raises(SubjectError, match=r"f did not return within 0\.1 s"):
        PythonSubject(lambda texts: time.sleep(5), "f", timeout_s=0.1).ask("embed", ["a"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("mine", "written module:attribute"),
        ("no_such_module_here:f", "cannot be imported: ModuleNotFoundError"),
        ("json:no_such", "json has no 'no_such'"),
        ("json:JSONDecoder", "is a class"),
        ("json:__name__", "is str, which cannot be called"),
    ],
)
def test_a_path_that_leads_nowhere(path, said):
    with pytest.raises(SubjectError, match=said):
        load(path)


def test_a_module_of_the_working_folder_and_a_method(tmp_path, monkeypatch):
    (tmp_path / "my_encoder_for_test.py").write_text(
        "class E:\n    def encode(self, t): return [9 for _ in t]\ne = E()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert load("my_encoder_for_test:e.encode").ask("embed", ["a"]) == [9]
