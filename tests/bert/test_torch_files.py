"""torch.save's files read without torch: the same numbers, and nothing in a hostile one is run or believed."""

import io
import os
import pickle
import pickletools
import struct
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl.bert.files import WeightsError
from refimpl.bert.torch_files import map_torch

# What torch 2.13 writes for {"weight": FloatTensor of shape (2, 3)}, put together by hand from its opcodes.
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
REBUILT = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\n"
ONE = b"\x80\x02}X\x06\x00\x00\x00weight" + REBUILT + b"OrderedDict\n)RtRs."
NUMBERS = np.arange(6, dtype="<f4")


def archive(
    described: bytes = ONE, numbers: bytes = NUMBERS.tobytes(), packed: int = zipfile.ZIP_STORED, **more: bytes
):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as zipped:
        for name, content in {"data.pkl": described, "data/0": numbers, **more}.items():
            zipped.writestr(f"archive/{name}", content)
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pytorch_model.bin"


def test_a_tensor_is_a_view_of_the_mapped_file(file):
    file.write_bytes(archive())
    weight = map_torch(file)["weight"]
    np.testing.assert_array_equal(weight, NUMBERS.reshape(2, 3))
    assert not weight.flags.writeable


@pytest.mark.peer
@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32", "float64", "int64", "int32"])
def test_torchs_numbers_are_read_to_the_last_bit(file, precision):
    import torch

    random = torch.randn(5, 7).mul(100)
    tied = random.to(getattr(torch, precision))
    state = {"a": tied, "tied": tied, "row": tied[3], "one": tied[2, 2], "b": tied.T.contiguous()}
    torch.save(state, file)
    read = map_torch(file)
    assert set(read) == set(state)
    for name, tensor in state.items():
        expected = tensor.view(torch.uint16) if precision == "bfloat16" else tensor
        np.testing.assert_array_equal(read[name], expected.numpy(), err_msg=name)


@pytest.mark.peer
def test_a_modules_state_with_its_metadata_and_parameters(file):
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    torch.save(model.state_dict(), file)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(map_torch(file)[name], tensor.numpy())
    torch.save(OrderedDict(model.named_parameters()), file)
    assert set(map_torch(file)) == set(model.state_dict())


@pytest.mark.peer
def test_what_torch_writes_and_is_no_dict_of_plain_tensors_is_refused(file):
    import torch

    for content in (torch.nn.Linear(2, 2), [torch.ones(2)], {"a": 1}, {1: torch.ones(2)}, torch.ones(2)):
        torch.save(content, file)
        with pytest.raises(WeightsError):
            map_torch(file)
    torch.save({"a": torch.ones(3, 2).T}, file)
    with pytest.raises(WeightsError, match="does not lie in one piece: save it with"):
        map_torch(file)
    torch.save({"a": torch.ones(3)}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"no zip archive of torch.save .*torch before 1.6 wrote such files"):
        map_torch(file)


class Run:
    """Pickled, it asks whoever unpickles it to make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_code_in_the_pickle_does_not_run(file, tmp_path, protocol):
    hostile = pickle.dumps({"weight": Run(tmp_path / "made")}, protocol)
    file.write_bytes(archive(hostile))
    with pytest.raises(WeightsError, match="only plain tensors are read: nothing of it was run"):
        map_torch(file)
    assert not (tmp_path / "made").exists()
    pickle.loads(hostile)
    assert (tmp_path / "made").exists(), "the pickle does what it is feared for"


def calling(module: str, name: str) -> bytes:
    return b"\x80\x02}X\x01\x00\x00\x00wc" + f"{module}\n{name}\n".encode() + b"X\x01\x00\x00\x00x\x85Rs."


@pytest.mark.parametrize(
    ("module", "name"),
    [("posix", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("torch", "load"), ("torch.jit", "load")],
)
def test_other_globals_are_named_and_refused(file, module, name):
    file.write_bytes(archive(calling(module, name)))
    with pytest.raises(WeightsError, match=rf"holds the global {module}\.{name}, and only plain tensors"):
        map_torch(file)


@pytest.mark.parametrize(
    "module", ["collections\nOrderedDict", "torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2"]
)
def test_even_known_globals_are_called_in_their_one_way_only(file, module):
    file.write_bytes(archive(calling(*module.split("\n"))))
    with pytest.raises(WeightsError, match=r"holds a (call of something else|tensor without a storage)"):
        map_torch(file)


HANDLED = {"PROTO", "GLOBAL", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_DICT", "EMPTY_TUPLE", "BININT", "BININT1"}
HANDLED |= {"BININT2", "LONG1", "BINUNICODE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "BINPUT", "LONG_BINPUT", "BINGET"}
HANDLED |= {"LONG_BINGET", "BINPERSID", "SETITEM", "SETITEMS", "REDUCE", "BUILD", "STOP"}


def test_these_opcodes_and_no_others():
    from refimpl.bert import torch_files

    assert set(torch_files._OPCODES) | {"STOP"} == HANDLED
    assert {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "EXT1", "PERSID"} <= {
        op.name for op in pickletools.opcodes
    } - HANDLED


BROKEN = {
    "empty": b"",
    "no archive": b"version https://git-lfs.github.com/spec/v1\n",
    "cut short": archive()[:-30],
    "no description": archive(**{"data.pkl": b""}),
    "a description without an end": archive(ONE[:-1]),
    "a stack that runs out": archive(b"\x80\x02\x86."),
    "nothing on the stack": archive(b"\x80\x02."),
    "an unknown memo": archive(b"\x80\x02h\x07."),
    "a mark where a value is": archive(b"\x80\x02(\x85."),
    "a shape beyond its numbers": archive(ONE.replace(b"K\x02K\x03\x86K\x03K\x01", b"K\x03K\x03\x86K\x03K\x01")),
    "a shape of terabytes": archive(ONE.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fK\x03\x86")),
    "a negative shape": archive(ONE.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x03\x86")),
    "an offset beyond": archive(ONE.replace(b"QK\x00", b"QK\x01")),
    "an empty tensor": archive(ONE.replace(b"K\x02K\x03\x86", b"K\x00K\x03\x86")),
    "one row for all": archive(ONE.replace(b"\x86K\x03K\x01\x86", b"\x86K\x00K\x01\x86")),
    "shape and strides of two lengths": archive(ONE.replace(b"K\x03K\x01\x86", b"K\x01\x85")),
    "numbers that are not there": archive(ONE.replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x001")),
    "packed numbers": archive(packed=zipfile.ZIP_DEFLATED),
    "big-endian": archive(byteorder=b"big"),
    "quantised numbers": archive(ONE.replace(b"FloatStorage", b"QInt8Storage")),
    "a number for a tensor": archive(b"\x80\x02}X\x01\x00\x00\x00aK\x01s."),
    "a list": archive(b"\x80\x02]."),
    "a name that is a number": archive(ONE.replace(b"X\x06\x00\x00\x00weight", b"K\x01")),
    "a dict in a million tuples": archive(b"\x80\x02}q\x00" + b"h\x00\x85q\x00" * 1000 + b"h\x00h\x00s."),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_an_error_that_names_it(file, raw):
    file.write_bytes(raw)
    with pytest.raises(WeightsError, match=r"pytorch_model\.bin") as message:
        map_torch(file)
    assert len(str(message.value)) < 400


def test_a_missing_file_is_named(file):
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin is missing"):
        map_torch(file)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_an_error_or_other_numbers(file, data):
    raw = bytearray(archive() if data.draw(st.booleans()) else archive(bytes(changed(data, ONE))))
    file.write_bytes(changed(data, raw))
    try:
        read = map_torch(file)
    except WeightsError:
        return
    assert all(tensor.size <= len(raw) for tensor in read.values())


def changed(data: st.DataObject, raw: bytes) -> bytes:
    mutable = bytearray(raw)
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        mutable[place] = data.draw(st.integers(0, 255))
    return bytes(mutable)


def test_a_local_header_that_lies_about_its_length_is_an_error(file):
    raw = bytearray(archive())
    at = raw.index(b"archive/data/0") - 4
    raw[at : at + 4] = struct.pack("<HH", 0xFFFF, 0xFFFF)
    file.write_bytes(raw)
    with pytest.raises(WeightsError, match="reaches beyond its numbers"):
        map_torch(file)


def test_a_changed_number_is_an_error(file):
    raw = archive()
    at = raw.index(NUMBERS.tobytes())
    for place in range(at, at + NUMBERS.nbytes):
        file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(WeightsError, match="the numbers of weight have another CRC"):
            map_torch(file)


def described(shape: bytes, strides: bytes) -> bytes:
    return ONE.replace(b"K\x02K\x03\x86", shape).replace(b"K\x03K\x01\x86", strides)


def test_a_description_takes_time_by_its_length(file):
    """Seconds, not hours: each took time by the square of its length."""
    many = b"(" + b"K\x01" * 100_000 + b"t"
    file.write_bytes(archive(described(many, many)))
    with pytest.raises(WeightsError, match="a tensor of more than 64 dimensions"):
        map_torch(file)
    file.write_bytes(archive(b"\x80\x02" + b"N" * 200_000 + b"(t" * 200_000 + b"."))
    with pytest.raises(WeightsError, match="must hold a dict of tensors"):
        map_torch(file)


def test_a_packed_byteorder_is_not_unpacked(file):
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("archive/byteorder", bytes(1 << 24), zipfile.ZIP_DEFLATED)
        zipped.writestr("archive/data.pkl", ONE)
        zipped.writestr("archive/data/0", NUMBERS.tobytes())
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="a byteorder that is packed or longer than 16 bytes"):
            map_torch(file)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_two_members_of_one_name_are_refused(file):
    with zipfile.ZipFile(file, "w") as zipped, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in (("data.pkl", ONE), ("data/0", NUMBERS.tobytes()), ("data/0", bytes(24))):
            zipped.writestr(f"archive/{name}", content)
    with pytest.raises(WeightsError, match="two members of one name"):
        map_torch(file)
