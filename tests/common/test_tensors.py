"""safetensors files written by the library and read by refimpl's readers."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from refimpl.common.tensors import DTYPES, TensorFileError, as_float, map_tensors, read_tensors

NUMPY = {
    **{"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "BOOL": np.bool_},
    **{"I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8},
    **{"U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8},
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read_and_mapped(tmp_path: Path, dtype: str) -> None:
    expected = np.array([[0, 1, 3], [1, 0, 100]]).astype(NUMPY[dtype])
    save_file({"x": expected}, tmp_path / "x.safetensors")
    assert f'"dtype":"{dtype}"'.encode() in (tmp_path / "x.safetensors").read_bytes()
    read = read_tensors((tmp_path / "x.safetensors").read_bytes(), "x")["x"]
    mapped = map_tensors(tmp_path / "x.safetensors")["x"]
    if dtype == "BF16":
        assert read.dtype == np.float32
        assert mapped.dtype == np.uint16
        mapped = as_float(mapped, np.dtype(np.float32))
    else:
        assert read.dtype == mapped.dtype == expected.dtype
        assert not mapped.flags.writeable
    np.testing.assert_array_equal(read, expected.astype(read.dtype))
    np.testing.assert_array_equal(mapped, expected.astype(mapped.dtype))


@pytest.mark.parametrize("size", [0, 5, 40, 79])
def test_a_file_cut_short_is_named(tmp_path: Path, size: int) -> None:
    file = tmp_path / "cut.safetensors"
    save_file({"x": np.ones(4, np.float32)}, file)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(TensorFileError, match=r"cut\.safetensors is not a whole safetensors file \(.+\)$"):
        map_tensors(file)
    with pytest.raises(TensorFileError, match=r"^stdin is not a whole safetensors file \(.+\)$"):
        read_tensors(file.read_bytes(), "stdin")


def test_a_dtype_that_the_caller_does_not_accept_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"ids": np.ones(4, np.uint16)}, file)
    with pytest.raises(TensorFileError, match="ids has dtype U16, expected one of F32, F16"):
        map_tensors(file, ("F32", "F16"))
    save_file({"x": np.ones(4).astype(ml_dtypes.float8_e4m3fn)}, file)
    for read in (lambda: map_tensors(file), lambda: read_tensors(file.read_bytes(), "x")):
        with pytest.raises(TensorFileError, match="x has dtype F8_E4M3, expected one of F64, F32"):
            read()


def test_an_empty_tensor_is_read_and_not_mapped(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"x": np.zeros((0, 3), np.float32)}, file)
    assert read_tensors(file.read_bytes(), "x")["x"].shape == (0, 3)
    with pytest.raises(TensorFileError, match=r"x is empty, its shape is \(0, 3\)"):
        map_tensors(file)


def test_a_tensor_of_more_dimensions_than_numpy_has_is_named(tmp_path: Path) -> None:
    header = b'{"x":{"dtype":"F32","shape":[' + b",".join([b"1"] * 100_000) + b'],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "x.safetensors").write_bytes(content)
    for read in (lambda: map_tensors(tmp_path / "x.safetensors"), lambda: read_tensors(content, "x.safetensors")):
        with pytest.raises(TensorFileError, match=r"x\.safetensors: x has 100000 dimensions, expected at most 64"):
            read()
