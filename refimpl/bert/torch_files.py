"""What `torch.save` writes for a dict of tensors (pytorch_model.bin, *.pt), mapped into memory; nothing is unpickled.

Such a file is a zip archive of stored members: `data.pkl` says which tensor lies where in which `data/N`. A pickle is
a program, and `pickle` would run it; here `pickletools` only takes it apart, and a stack machine follows the opcodes
that describe plain tensors. Any other opcode, any other global and any other call is refused before it means anything.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.bert.files import WeightsError

Array = np.ndarray

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
MOST_DESCRIPTION_BYTES = 64 << 20


@dataclass(frozen=True)
class _Global:
    """A name that the pickle refers to; it is never looked up."""

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


_MARK = object()


class _Refused(Exception):
    """What the description holds that no dict of plain tensors does."""


@dataclass
class _Machine:
    """The pickle machine's stack and memo, with as few opcodes as plain tensors take."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, pickled: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in _OPCODES:
                raise _Refused(f"opcode {opcode.name}")
            _OPCODES[opcode.name](self, argument)
        raise _Refused("no end")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def marked(self) -> list[Any]:
        """Everything above the topmost mark, taken off with it."""
        at = max(i for i, value in enumerate(self.stack) if value is _MARK)
        taken = self.stack[at + 1 :]
        del self.stack[at:]
        return taken

    def top(self, count: int) -> tuple[Any, ...]:
        taken = tuple(self.stack[-count:])
        if len(taken) < count or any(value is _MARK for value in taken):
            raise _Refused("a stack that runs out")
        del self.stack[-count:]
        return taken

    def set_items(self, pairs: list[Any]) -> None:
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
        """A state dict's `_metadata`: taken off and not looked at."""
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
    machine.memo[argument] = machine.stack[-1]


_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "GLOBAL": _global,
    "MARK": lambda machine, _: machine.push(_MARK),
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
    """('storage', its class, its member's name, where it once was, its length): the length is the member's."""
    if type(identity) is not tuple or len(identity) != 5 or identity[0] != "storage":
        raise _Refused("a persistent id of something else than a storage")
    kind, key = identity[1:3]
    if type(kind) is not _Global or kind.name not in STORAGES or type(key) is not str:
        raise _Refused("a storage of another kind")
    return _Storage(STORAGES[kind.name], key)


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    """(storage, offset, shape, strides, ...), one row after another in memory."""
    if len(arguments) < 4 or type(arguments[0]) is not _Storage:
        raise _Refused("a tensor without a storage")
    storage, offset, shape, strides = arguments[:4]
    numbers = (*shape, *strides, offset) if type(shape) is type(strides) is tuple else (None,)
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers) or len(shape) != len(strides):
        raise _Refused("a tensor without a whole shape, offset and strides")
    in_one_piece = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if any(n > 1 and stride != whole for n, stride, whole in zip(shape, strides, in_one_piece, strict=True)):
        raise _Refused("a tensor that does not lie in one piece: save it with .contiguous()")
    return _Tensor(storage, offset, shape)


def map_torch(file: Path) -> dict[str, Array]:
    """Every tensor of a file that `torch.save` wrote of a dict of tensors, as a read-only view of the mapped file.

    bfloat16 comes as its uint16 bits. Raises FileNotFoundError, and WeightsError for anything else than plain tensors.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing")
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            prefix = _prefix(members)
            described = _Machine().run(_description(archive, prefix))
    except _Refused as refused:
        raise WeightsError(f"{file} holds {refused}, and only plain tensors are read: nothing of it was run") from None
    except zipfile.BadZipFile as error:
        old = "torch before 1.6 wrote such files; save it again" if file.stat().st_size else "it is empty"
        raise WeightsError(f"{file} is no zip archive of torch.save ({error}): fetch it again ({old})") from error
    except (ValueError, KeyError, IndexError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise WeightsError(f"{file} is damaged ({type(error).__name__}: {str(error)[:80]}): fetch it again") from error
    if type(described) is not dict or not all(type(tensor) is _Tensor for tensor in described.values()):
        raise WeightsError(f"{file} must hold a dict of tensors by name")
    mapped = np.memmap(file, dtype=np.uint8, mode="r")
    lying = {name: members.get(f"{prefix}data/{tensor.storage.key}") for name, tensor in described.items()}
    return {name: _view(file, name, mapped, lying[name], tensor) for name, tensor in described.items()}


def _prefix(members: dict[str, zipfile.ZipInfo]) -> str:
    found = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(found) != 1:
        raise _Refused("no data.pkl")
    return found[0].removesuffix("data.pkl")


def _description(archive: zipfile.ZipFile, prefix: str) -> bytes:
    names = archive.namelist()
    if f"{prefix}byteorder" in names and archive.read(f"{prefix}byteorder") != b"little":
        raise _Refused("numbers that are not little-endian")
    info = archive.getinfo(f"{prefix}data.pkl")
    if info.file_size > MOST_DESCRIPTION_BYTES or info.compress_type != zipfile.ZIP_STORED:
        raise _Refused("a description that is packed or too long")
    return archive.read(info)


def _view(file: Path, name: str, mapped: Array, member: zipfile.ZipInfo | None, tensor: _Tensor) -> Array:
    if member is None or member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise WeightsError(f"{file}: the numbers of {name} are not there, or packed")
    dtype = np.dtype(tensor.storage.dtype)
    local = mapped[member.header_offset : member.header_offset + 30].tobytes()
    start = member.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    begin = start + tensor.offset * dtype.itemsize
    end = begin + math.prod(tensor.shape) * dtype.itemsize
    if local[:4] != b"PK\3\4" or end > start + member.file_size or start + member.file_size > len(mapped):
        raise WeightsError(f"{file}: {name} of shape {tensor.shape} reaches beyond its numbers")
    if begin == end:
        raise WeightsError(f"{file}: {name} is empty, its shape is {tensor.shape}")
    return np.asarray(mapped[begin:end]).view(dtype).reshape(tensor.shape)
