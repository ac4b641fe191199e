"""refimpl.dense.stream: lines and JSON lines to a .npy file, complete or not at all."""

import io
import os

import numpy as np
import pytest

from refimpl.dense.stream import embed_stream, json_lines, lines


class Counting:
    """An embedding function whose vectors are each text's number and length."""

    dim = 2

    def __init__(self):
        self.seen = []
        self.largest = 0

    def encode_documents(self, documents):
        self.largest = max(self.largest, len(documents))
        first = len(self.seen)
        self.seen += documents
        return np.array([[first + i, len(text)] for i, text in enumerate(documents)], dtype=np.float32)

    encode_queries = encode_documents


def test_lines_keep_empty_texts_and_odd_separators():
    stream = io.BytesIO("one\n\nthree\u2028still three\r\nlast".encode())
    assert list(lines(stream, "x")) == ["one", "", "three\u2028still three", "last"]


def test_json_lines_yield_a_field():
    stream = io.BytesIO(b'{"text": "a"}\n\n{"text": "b", "title": "t"}\n')
    assert list(json_lines("text")(stream, "x")) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "x.jsonl, line 2 is not valid JSON"),
        (b"[1]", "x.jsonl, line 2: expected a str 'text', got none"),
        (b'{"body": "b"}', "x.jsonl, line 2: expected a str 'text', got none; see --field"),
        (b'{"text": null}', "x.jsonl, line 2: expected a str 'text', got none"),
        (b"[" * 100_000, "x.jsonl, line 2 is not valid JSON: expected at most 100 nested"),
        (b'{"text": "a", "n": 1e400}', "x.jsonl, line 2 is not valid JSON: the number 1e400"),
        (b'{"text": "\\ud800"}', "x.jsonl, line 2 is not valid JSON: a lone surrogate"),
        (b'\xef\xbb\xbf{"text": "b"}', "x.jsonl, line 2 is not valid JSON"),
        (b"\xff", "x.jsonl, line 2: not UTF-8"),
    ],
)
def test_bad_json_lines_are_named(line, message):
    with pytest.raises(ValueError, match=message):
        list(json_lines("text")([b'{"text": "a"}\n', line], "x.jsonl"))


def test_a_byte_order_mark_at_the_start_is_skipped():
    assert list(json_lines("text")([b'\xef\xbb\xbf{"text": "a"}\n'], "x.jsonl")) == ["a"]
    assert list(lines([b"\xef\xbb\xbfone\n", b"\xef\xbb\xbftwo\n"], "x")) == ["one", "\ufefftwo"]


@pytest.mark.parametrize("count", [0, 1, 4096, 4097, 9000])
def test_any_number_of_texts_streams_into_one_array(tmp_path, count):
    function = Counting()
    assert embed_stream(function, (str(i) for i in range(count)), tmp_path / "v.npy") == count
    vectors = np.load(tmp_path / "v.npy")
    assert vectors.shape == (count, 2)
    np.testing.assert_array_equal(vectors[:, 0], np.arange(count))
    assert function.largest <= 4096


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "v.npy").write_bytes(b"old")

    def texts():
        yield from ["a"] * 5000
        raise ValueError("x.jsonl, line 5001: not UTF-8")

    with pytest.raises(ValueError, match="line 5001"):
        embed_stream(Counting(), texts(), tmp_path / "v.npy")
    assert os.listdir(tmp_path) == ["v.npy"]
    assert (tmp_path / "v.npy").read_bytes() == b"old"
