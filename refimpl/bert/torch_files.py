"""Files that `torch.save` wrote for a dict of tensors (pytorch_model.bin, *.pt), memory-mapped; nothing is unpickled.

Such a file is a zip archive of stored members: `data.pkl` gives each tensor's place in one of `data/N`. A pickle is
a program, and `pickle` would run it; here `pickletools` only parses it, and a stack machine interprets the opcodes
that describe plain tensors. Any other opcode, global or call is refused before it has an effect.
"""

import math
import pickletools
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.bert.files import WeightsError
from refimpl.common.array_files import MOST_DIMENSIONS, ZIP_ERRORS
from refimpl.common.tensors import release_pages
from refimpl.common.types import Array

STORAGES = {
    ("torch", "DoubleStorage"): "<f8",
    ("torch", "FloatStorage"): "<f4",
    ("torch", "HalfStorage"): "<f2",
    ("torch", "BFloat16Storage"): "<u2",  # its bits, as map_safetensors gives them
    ("torch", "LongStorage"): "<i8",
    ("torch", "IntStorage"): "<i4",
}
ORDERED_DICT = ("collections", "OrderedDict")
TENSOR = ("torch._utils", "_rebuild_tensor_v2")
PARAMETER = ("torch._utils", "_rebuild_parameter")
GLOBALS = {*STORAGES, ORDERED_DICT, TENSOR, PARAMETER}
MOST_DESCRIPTION_BYTES = 8 << 20  # a tensor takes about 200


@dataclass(frozen=True)
class _Global:
    """A global name in the pickle; it is never imported."""

    name: tuple[str, str]


@dataclass(frozen=True)
class _Storage:
    """Numbers in one archive member."""

    dtype: str
    key: str


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]


class _Refused(Exception):
    """A description of something other than a dict of plain tensors."""


@dataclass
class _Machine:
    """The pickle machine's stack, marks and memo, with the opcodes that plain tensors need.

    `marks` are the sizes of the stack at each mark. No opcode takes longer than its operands are long.
    """

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, pickled: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "STOP":
                return self.top(1)[0]
            if opcode.name not in _OPCODES:
                raise _Refused(f"opcode {opcode.name}")
            _OPCODES[opcode.name](self, argument)
        raise _Refused("no end")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def marked(self) -> list[Any]:
        """Everything above the topmost mark, removed with it."""
        if not self.marks:
            raise _Refused("a stack that runs out")
        at = self.marks.pop()
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def require(self, count: int) -> None:
        """Raise _Refused unless so many values are above the topmost mark."""
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise _Refused("a stack that runs out")

    def top(self, count: int) -> tuple[Any, ...]:
        self.require(count)
        taken = tuple(self.stack[-count:])
        del self.stack[-count:]
        return taken

    def set_items(self, pairs: list[Any]) -> None:
        self.require(1)
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2 or not all(type(key) is str for key in pairs[::2]):
            raise _Refused("items that are not set by name in a dict")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def reduce(self) -> None:
        function, arguments = self.top(2)
        name = function.name if type(function) is _Global else None
        if name == ORDERED_DICT and arguments == ():
            self.push({})
        elif name == TENSOR and type(arguments) is tuple:
            self.push(_tensor(arguments))
        elif name == PARAMETER and type(arguments) is tuple and arguments and type(arguments[0]) is _Tensor:
            self.push(arguments[0])
        else:
            raise _Refused("a call of something else")

    def build(self) -> None:
        """A state dict's `_metadata`: removed and ignored."""
        target, _ = self.top(2)
        if type(target) is not dict:
            raise _Refused("attributes of something else than a dict")
        self.push(target)


def _constant(value: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value())


def _argument(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(machine.top(count))


def _global(machine: _Machine, argument: Any) -> None:
    module, _, name = str(argument).partition(" ")
    if (module, name) not in GLOBALS:
        raise _Refused(f"the global {module[:40]}.{name[:40]}")
    machine.push(_Global((module, name)))


def _put(machine: _Machine, argument: Any) -> None:
    machine.require(1)
    machine.memo[argument] = machine.stack[-1]


_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "GLOBAL": _global,
    "MARK": lambda machine, _: machine.mark(),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_TUPLE": _constant(tuple),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), _argument),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, at: machine.push(machine.memo[at])),
    "BINPERSID": lambda machine, _: machine.push(_storage(machine.top(1)[0])),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.top(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}


def _storage(identity: Any) -> _Storage:
    """('storage', its class, its member's name, its device, its length): the member's length is used."""
    if type(identity) is not tuple or len(identity) != 5 or identity[0] != "storage":
        raise _Refused("a persistent id of something else than a storage")
    kind, key = identity[1:3]
    if type(kind) is not _Global or kind.name not in STORAGES or type(key) is not str:
        raise _Refused("a storage of another kind")
    return _Storage(STORAGES[kind.name], key)


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    """(storage, offset, shape, strides, ...), row-major."""
    if len(arguments) < 4 or type(arguments[0]) is not _Storage:
        raise _Refused("a tensor without a storage")
    storage, offset, shape, strides = arguments[:4]
    numbers = (*shape, *strides, offset) if type(shape) is type(strides) is tuple else (None,)
    if len(numbers) > 2 * MOST_DIMENSIONS + 1:
        raise _Refused(f"a tensor of more than {MOST_DIMENSIONS} dimensions")
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers) or len(shape) != len(strides):
        raise _Refused("a tensor without a whole shape, offset and strides")
    contiguous = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if any(n > 1 and stride != whole for n, stride, whole in zip(shape, strides, contiguous, strict=True)):
        raise _Refused("a tensor that does not lie in one piece: save it with .contiguous()")
    return _Tensor(storage, offset, shape)


def map_torch(file: Path) -> dict[str, Array]:
    """Every tensor of a file that `torch.save` wrote of a dict of tensors, as a read-only view of the mapped file.

    bfloat16 as its uint16 bits. The CRC of each member that is used is checked, which reads the file once. Raises
    FileNotFoundError, and WeightsError for anything other than plain tensors, and for a damaged file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing")
    members, prefix, described = _read_description(file)
    if type(described) is not dict or not all(type(tensor) is _Tensor for tensor in described.values()):
        raise WeightsError(f"{file} must hold a dict of tensors by name")
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    numbers: dict[str, Array] = {}
    for name, tensor in described.items():
        if tensor.storage.key not in numbers:
            member = members.get(f"{prefix}data/{tensor.storage.key}")
            numbers[tensor.storage.key] = _numbers(file, name, mapped, member)
    return {name: _view(file, name, numbers[tensor.storage.key], tensor) for name, tensor in described.items()}


def _read_description(file: Path) -> tuple[dict[str, zipfile.ZipInfo], str, Any]:
    """The archive's members, the folder in it that has all of them, and what its data.pkl describes."""
    try:
        with zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
            members = {info.filename: info for info in listed}
            if len(members) < len(listed):
                raise _Refused("two members of one name")
            prefix = _prefix(members)
            return members, prefix, _Machine().run(_description(archive, prefix))
    except _Refused as refused:
        raise WeightsError(f"{file} holds {refused}, and only plain tensors are read: nothing of it was run") from None
    except zipfile.BadZipFile as error:
        old = "torch before 1.6 wrote such files; save it again" if file.stat().st_size else "it is empty"
        raise WeightsError(f"{file} is no zip archive of torch.save ({error}): fetch it again ({old})") from error
    except ZIP_ERRORS as error:
        raise WeightsError(f"{file} is damaged ({type(error).__name__}: {str(error)[:80]}): fetch it again") from error


def _prefix(members: dict[str, zipfile.ZipInfo]) -> str:
    names = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise _Refused("no data.pkl")
    return names[0].removesuffix("data.pkl")


def _description(archive: zipfile.ZipFile, prefix: str) -> bytes:
    if f"{prefix}byteorder" in archive.namelist() and _stored(archive, f"{prefix}byteorder", 16) != b"little":
        raise _Refused("numbers that are not little-endian")
    return _stored(archive, f"{prefix}data.pkl", MOST_DESCRIPTION_BYTES)


def _stored(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > most or info.compress_type != zipfile.ZIP_STORED:
        raise _Refused(f"a {name.rpartition('/')[2]} that is packed or longer than {most} bytes")
    return archive.read(info)


def _numbers(file: Path, name: str, mapped: Array, member: zipfile.ZipInfo | None) -> Array:
    """The bytes of one member, their CRC checked; `name` is a tensor in it."""
    if member is None or member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise WeightsError(f"{file}: the numbers of {name} are not there, or packed")
    local = mapped[member.header_offset : member.header_offset + 30].tobytes()
    start = member.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    if local[:4] != b"PK\3\4" or start + member.file_size > len(mapped):
        raise WeightsError(f"{file}: {name} reaches beyond its numbers")
    numbers = np.asarray(mapped[start : start + member.file_size])
    if zlib.crc32(numbers.data) != member.CRC:
        raise WeightsError(f"{file}: the numbers of {name} have another CRC than they were saved with: fetch it again")
    release_pages(numbers)
    return numbers


def _view(file: Path, name: str, numbers: Array, tensor: _Tensor) -> Array:
    dtype = np.dtype(tensor.storage.dtype)
    begin = tensor.offset * dtype.itemsize
    end = begin + math.prod(tensor.shape) * dtype.itemsize
    if end > len(numbers):
        raise WeightsError(f"{file}: {name} of shape {tensor.shape} reaches beyond its numbers")
    if begin == end:
        raise WeightsError(f"{file}: {name} is empty, its shape is {tensor.shape}")
    return numbers[begin:end].view(dtype).reshape(tensor.shape)
