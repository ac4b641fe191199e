"""numpy's own files are read as numpy reads them; other content is one error, without unpickling or allocating."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from refimpl.common.array_files import ArrayFileError, parse_npy, read_npz


def saved(array, **settings):
    buffer = io.BytesIO()
    np.save(buffer, array, **settings)
    return buffer.getvalue()


def with_header(text, body=b"", version=1):
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + body


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
SHAPES = arrays.array_shapes(min_dims=0, min_side=0)
NUMBERS = arrays.arrays(arrays.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc"), SHAPES)


@given(NUMBERS, st.booleans())
def test_arrays_are_read_as_by_numpy(array, fortran):
    content = saved(np.asfortranarray(array) if fortran else array)
    read, expected = parse_npy(content, "f"), np.load(io.BytesIO(content))
    assert (read.dtype, read.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(read, expected)


REFUSED = {
    "nothing": b"",
    "an object, which would be unpickled": saved(np.array([None]), allow_pickle=True),
    "text": saved(np.array(["a"])),
    "another magic": b"\x93NUMPX" + saved(np.zeros(2))[6:],
    "another version": b"\x93NUMPY\x09\x00" + saved(np.zeros(2))[8:],
    "truncated": saved(np.zeros(2))[:-1],
    "bytes after the array": saved(np.zeros(2)) + b"\0",
    "a shape of exabytes": with_header(GOOD.replace("2,", "1000000000,"), bytes(8)),
    "a product beyond 64 bits": with_header(GOOD.replace("2,", "4294967296, 4294967296"), bytes(8)),
    "a negative size": with_header(GOOD.replace("2,", "-2,"), bytes(8)),
    "100,000 dimensions": with_header(GOOD.replace("2,", "1," * 100_000), bytes(4), 2),
    "65 dimensions": with_header(GOOD.replace("2,", "1," * 65), bytes(4)),
    "a shape that is a number": with_header(GOOD.replace("(2,)", "2"), bytes(8)),
    "an unclosed bracket": with_header(GOOD.replace("(2,)", "(" * 3000), bytes(8)),
    "an unclosed string": with_header(GOOD.replace("'shape'", "'shape"), bytes(8)),
    "no dtype": with_header(GOOD.replace("'descr': '<f4', ", ""), bytes(8)),
    "a dtype that numpy lacks": with_header(GOOD.replace("<f4", "<f3"), bytes(8)),
    "a structured dtype": with_header(GOOD.replace("'<f4'", "[('a', '<f4')]"), bytes(8)),
    "an order that is a number": with_header(GOOD.replace("False", "0"), bytes(8)),
    "JSON's word for False": with_header(GOOD.replace("False", "false"), bytes(8)),
    "a carriage return after the dict": with_header(GOOD + "\r  ", bytes(8)),
    "a no-break space in the dict": with_header(GOOD.replace("}", "\xa0}"), bytes(8)),
    "a further name": with_header(GOOD.replace("}", "'x': 1}"), bytes(8)),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_every_other_content_is_an_error_with_the_files_name(content):
    tracemalloc.start()
    try:
        with pytest.raises(ArrayFileError, match=r"^vectors\.npy: expected an array in numpy's format, got ") as error:
            parse_npy(content, "vectors.npy")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 250


@given(st.data())
def test_changed_bytes_are_an_array_of_numpys_or_one_error(data):
    content = bytearray(saved(np.arange(3.0)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        read = parse_npy(bytes(content), "f")
    except ArrayFileError:
        return
    np.testing.assert_array_equal(read, np.load(io.BytesIO(bytes(content))))


def test_npz_files_are_read_as_by_numpy(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.array(["a", "bc"]))
    read = read_npz(tmp_path / "a.npz", "iU")
    assert {name: array.tolist() for name, array in read.items()} == {"x": [0, 1, 2], "y": ["a", "bc"]}


def test_every_changed_byte_of_a_npz_is_an_error_or_the_same_arrays(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, x=np.arange(3))
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            values = [array.tolist() for array in read_npz(file).values()]
        except ArrayFileError as error:
            values = str(error)
        assert values == [[0, 1, 2]] or "a.npz" in values


@pytest.mark.parametrize("x", [np.zeros(1 << 20), np.random.default_rng(0).random(20)], ids=["much", "little"])
def test_a_compressed_member_is_refused(tmp_path, x):
    np.savez_compressed(tmp_path / "a.npz", x=x)
    with pytest.raises(ArrayFileError, match=r"a\.npz: expected an archive that numpy.savez wrote"):
        read_npz(tmp_path / "a.npz")
