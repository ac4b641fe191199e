"""Files of answers: vectors in numpy's and safetensors' form, anything in JSON lines."""

import json
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file

from refimpl.check.targets.base import AnswerError, TargetError, UnsupportedError
from refimpl.check.targets.files import FileTarget

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_the_three_formats_have_the_same_answers(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    save_file({"vectors": VECTORS, "other": VECTORS + 1}, tmp_path / "a.safetensors")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in VECTORS.tolist()) + "\n")
    for name in ("a.npy", "a.safetensors", "a.jsonl"):
        answers = FileTarget(tmp_path / name).run("embed", ["x", "y", "z"])
        np.testing.assert_array_equal(np.array(answers), VECTORS)


def test_another_number_of_rows_is_an_error(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(AnswerError, match=r"expected 2 answers from .*a\.npy, one per input in order, got 3"):
        FileTarget(tmp_path / "a.npy").run("embed", ["x", "y"])


def test_an_array_has_answers_of_the_task_embed_only(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    with pytest.raises(UnsupportedError, match="write JSON lines"):
        FileTarget(tmp_path / "a.npy").run("tokens", ["x", "y", "z"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"not an array", "expected an array in numpy's format"),
        ("a.npy", b"", "expected an array in numpy's format"),
        ("a.safetensors", b"\x00" * 20, "is not a whole safetensors file"),
        ("a.jsonl", b"[1, 2]\nLoading...\n", "line 2: expected JSON"),
        ("a.jsonl", b"\xff\xfe", "expected UTF-8"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TargetError, match=message):
        FileTarget(tmp_path / name)


def test_absent_file_wrong_shape_and_unnamed_tensors(tmp_path):
    with pytest.raises(TargetError, match=r"got .*none\.npy \(No such file or directory\): write it for the inputs of"):
        FileTarget(tmp_path / "none.npy")
    np.save(tmp_path / "flat.npy", VECTORS.ravel())
    with pytest.raises(AnswerError, match=r"expected an array \(texts, dim\), got shape \(6,\)"):
        FileTarget(tmp_path / "flat.npy")
    save_file({"one": VECTORS, "two": VECTORS}, tmp_path / "two.safetensors")
    with pytest.raises(TargetError, match=r"got \['one', 'two'\]: name the tensor of vectors `vectors`"):
        FileTarget(tmp_path / "two.safetensors")


def test_answers_that_take_too_much_memory_are_refused_before_they_are_parsed(tmp_path):
    file = tmp_path / "answers.jsonl"
    file.write_bytes(b"[" + b"[]," * 6_000_000 + b"[]]\n" + b"[]\n" * 6_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(
            TargetError, match=r"answers\.jsonl: expected answers that take at most 1\.07 GB of memory, got"
        ):
            FileTarget(file)
        assert tracemalloc.get_traced_memory()[1] < 3 * file.stat().st_size
    finally:
        tracemalloc.stop()
