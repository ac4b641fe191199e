"""Pickling and copying of objects with mapped files, locks or connections: the constructor is called again.

A pickle contains the class, the constructor's arguments and the settings. It contains no weights, only their folder and
the sha256 of its files: on unpickling, the files are hashed and read again. It contains no API key.
"""

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from refimpl import models
from refimpl.common.hashing import sha256
from refimpl.common.stamp import usable_cores

MODEL_FILES = ("*.json", "*.safetensors", "*.bin", "*.pt", "*.onnx", "vocab.txt", "merges.txt")
"""Files that can change a vector."""
DEPTHS = ("", "*/", "*/*/")
"""Folders with them: the model's, its modules', and those of a Router's modules."""
PLAIN = (bool, int, float, str, type(None))
_num_workers: ContextVar[int | None] = ContextVar("num_workers", default=None)
Stat = tuple[int, int]
"""Size in bytes and modification time in ns; a file where both are equal is considered unchanged."""


class FilesChangedError(ValueError):
    """The files that a pickled object was read from are missing or differ from those of the original."""


class Rebuilt:
    """Base class whose instances are pickled and copied as constructor arguments and settings.

    Settings are public attributes with plain values, and those listed in `KEPT`. The constructor creates all others
    (locks, sessions, thread pools, mapped arrays) again, so copies share none of them. An argument such as
    `num_workers=None` stays None, so its default is determined where the copy is created.
    """

    KEPT: ClassVar[tuple[str, ...]] = ()
    _arguments: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._pickled()), self._settings()

    def __copy__(self) -> Any:
        return self._with_settings(type(self)(**self._copied()), self._settings())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._with_settings(type(self)(**deepcopy(self._copied(), memo)), deepcopy(self._settings(), memo))

    def _pickled(self) -> dict[str, Any]:
        """Return the argument of `_unpickled`."""
        return self._recorded()

    def _recorded(self) -> dict[str, Any]:
        """Return the constructor's arguments as they are pickled: see `dumps`."""
        if _num_workers.get() is None or self._arguments.get("num_workers", 1) is not None:
            return dict(self._arguments)
        return {**self._arguments, "num_workers": _num_workers.get()}

    @classmethod
    def _unpickled(cls, pickled: dict[str, Any]) -> Any:
        return cls(**pickled)

    def _copied(self) -> dict[str, Any]:
        """Return the constructor's arguments for a copy in this process."""
        return dict(self._arguments)

    def _settings(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if name in self.KEPT or (not name.startswith("_") and _is_plain(value))
        }

    @staticmethod
    def _with_settings(copied: "Rebuilt", settings: dict[str, Any]) -> Any:
        vars(copied).update(settings)
        return copied


@dataclass(frozen=True)
class MappedFile:
    """A memory-mapped file, and its size and modification time when it was opened."""

    path: Path
    stat: Stat

    @classmethod
    def of(cls, path: Path) -> "MappedFile":
        """Record the file's present state."""
        return cls(path.absolute(), _stat(path))

    def pickled(self) -> tuple[str, str]:
        """Return path and sha256; FilesChangedError if the file was replaced or removed after it was opened."""
        if not self.path.is_file() or _stat(self.path) != self.stat:
            raise FilesChangedError(f"{self.path} changed after it was read: load it again")
        return str(self.path), hash_of(self.path)


@dataclass(frozen=True)
class ModelFolder:
    """The folder that a model was read from, the name that led to it, and the state of its files then."""

    folder: Path
    name: str
    files: tuple[MappedFile, ...]

    @classmethod
    def of(cls, folder: Path, name: object) -> "ModelFolder":
        """Record the present state of `folder`; `name` is the argument of `models.path` that led to it."""
        folder = folder.absolute()
        files = sorted(file for kind in MODEL_FILES for depth in DEPTHS for file in folder.glob(depth + kind))
        return cls(folder, str(name), tuple(map(MappedFile.of, files)))

    def pickled(self) -> dict[str, Any]:
        """Return folder, name and each file's sha256; FilesChangedError if a file changed after it was read."""
        hashes = {file.path.relative_to(self.folder).as_posix(): file.pickled()[1] for file in self.files}
        return {"folder": str(self.folder), "name": self.name, "sha256": hashes}

    @classmethod
    def unpickled(cls, pickled: dict[str, Any]) -> Path:
        """Return the folder with the same files on this machine.

        Tried in turn: the same folder, the registered model with these files, the model of the same name. Raises
        FilesChangedError if the files differ or there is no folder, and as `models.path`.
        """
        folder, expected = Path(pickled["folder"]), dict(pickled["sha256"])
        if not folder.is_dir():
            registered = _registered(expected)
            if registered is None and not models.HUB_NAME.fullmatch(pickled["name"]):
                raise FilesChangedError(
                    f"the model's folder {folder} is not on this machine: copy it here under the same path"
                )
            folder = models.path(registered or pickled["name"])
            expected = models.SOURCES[registered].files if registered else expected
        for file, digest in expected.items():
            check_hash(folder / file, digest)
        return folder


class ModelFunction(Rebuilt):
    """Base class of functions that compute with a model folder; `MODEL` is the constructor's argument for it."""

    MODEL: ClassVar[str] = "model_name"
    _model: ModelFolder

    def _read_from(self, folder: Path) -> Path:
        """Record `folder` as the one that the weights are read from, and return it."""
        self._model = ModelFolder.of(folder, self._arguments.get(self.MODEL) or folder.name)
        return folder

    def _pickled(self) -> dict[str, Any]:
        return {"arguments": self._recorded(), "model": self._model.pickled()}

    @classmethod
    def _unpickled(cls, pickled: dict[str, Any]) -> Any:
        folder, arguments = ModelFolder.unpickled(pickled["model"]), pickled["arguments"]
        if cls.MODEL not in arguments:  # a subclass with a constructor of its own
            return cls(**arguments)
        function = cls(**{**arguments, cls.MODEL: str(folder)})
        function._arguments = arguments
        function._model = ModelFolder.of(folder, pickled["model"]["name"])
        return function

    def _copied(self) -> dict[str, Any]:
        folder = {self.MODEL: str(self._model.folder)} if self.MODEL in self._arguments else {}
        return self._arguments | folder


def dumps(value: object) -> bytes:
    """Pickle by cloudpickle, with the number of threads that this process uses in place of `num_workers=None`.

    Texts are divided into tiles by that number, and the last bits of a vector depend on its tile. So copies compute the
    same bits as the original on machines with any number of cores.
    """
    import cloudpickle

    token = _num_workers.set(usable_cores())
    try:
        return bytes(cloudpickle.dumps(value))
    finally:
        _num_workers.reset(token)


def hash_of(file: Path) -> str:
    """Return the hex sha256 of a file, cached by its size and modification time."""
    return _hash(file, _stat(file))


def check_hash(file: Path, expected: str) -> None:
    """Raise FilesChangedError unless `file` exists and has this sha256."""
    if not file.is_file():
        raise FilesChangedError(f"{file} is missing on this machine: copy it here under the same path")
    if (actual := hash_of(file)) != expected:
        raise FilesChangedError(
            f"{file} differs from the file that was pickled: expected sha256 {expected}, got {actual}: "
            "copy the original here, or pickle again"
        )


@functools.lru_cache(maxsize=256)
def _hash(file: Path, stat: Stat) -> str:
    return sha256(file)


def _is_plain(value: object) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, PLAIN)


def _stat(file: Path) -> Stat:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _registered(hashes: dict[str, str]) -> str | None:
    """Return the name in `models.SOURCES` whose files all have these hashes, or None."""
    for name, source in models.SOURCES.items():
        if source.files.items() <= hashes.items():
            return name
    return None


def _rebuild(cls: type[Rebuilt], pickled: dict[str, Any]) -> Rebuilt:
    return cls._unpickled(pickled)


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor to store its arguments by name; of nested constructors, the outermost one's."""
    signature = inspect.signature(init)
    keywords = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), None)

    @functools.wraps(init)
    def recording(self: Rebuilt, *args: Any, **kwargs: Any) -> None:
        if "_arguments" not in vars(self):
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            _, *named = bound.arguments.items()
            arguments = {name: value for name, value in named if name not in (keywords, "api_key")}
            self._arguments = arguments | (bound.arguments[keywords] if keywords else {})
        init(self, *args, **kwargs)

    return recording
