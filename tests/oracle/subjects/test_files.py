"""Files of answers: vectors in numpy's and safetensors' form, anything in JSON lines."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from refimpl.oracle.subjects.base import AnswerError, NotAskableError, SubjectError
from refimpl.oracle.subjects.files import FileSubject

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_the_three_forms_hold_the_same(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    save_file({"vectors": VECTORS, "other": VECTORS + 1}, tmp_path / "a.safetensors")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in VECTORS.tolist()) + "\n")
    for name in ("a.npy", "a.safetensors", "a.jsonl"):
        answers = FileSubject(tmp_path / name).ask("embed", ["x", "y", "z"])
        np.testing.assert_array_equal(np.array(answers), VECTORS)


def test_another_number_of_rows_is_told(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(AnswerError, match="gave 3 answers for 2 inputs"):
        FileSubject(tmp_path / "a.npy").ask("embed", ["x", "y"])


def test_an_array_answers_for_vectors_only(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(NotAskableError, match="write JSON lines"):
        FileSubject(tmp_path / "a.npy").ask("tokens", ["x", "y", "z"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npy", b"not an array", "no array that numpy can read"),
        ("a.npy", b"", "no array that numpy can read"),
        ("a.safetensors", b"\x00" * 20, "no safetensors file"),
        ("a.jsonl", b"[1, 2]\nLoading...\n", "line 2 is no JSON"),
        ("a.jsonl", b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_broken_files(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SubjectError, match=said):
        FileSubject(tmp_path / name)


def test_absent_file_wrong_shape_and_unnamed_tensors(tmp_path):
    with pytest.raises(SubjectError, match="is no file: write it for the inputs of"):
        FileSubject(tmp_path / "none.npy")
    np.save(tmp_path / "flat.npy", VECTORS.ravel())
    with pytest.raises(AnswerError, match=r"must hold an array \(texts, dim\), got shape \(6,\)"):
        FileSubject(tmp_path / "flat.npy")
    save_file({"one": VECTORS, "two": VECTORS}, tmp_path / "two.safetensors")
    with pytest.raises(SubjectError, match=r"holds \['one', 'two'\]: name the tensor of vectors `vectors`"):
        FileSubject(tmp_path / "two.safetensors")
