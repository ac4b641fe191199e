"""Folders of model files on this machine: where they are searched, and whether their files are the published ones."""

import os
import zipfile
import zlib
from pathlib import Path

from refimpl.common.hashing import sha256
from refimpl.common.resources import cache_dir
from refimpl.models.registry import HUB_NAME, SOURCES, ModelCorruptError, ModelUnavailableError, source_of


def cached(name: str) -> Path:
    """Return the cache's folder for model `name`, which need not exist."""
    return cache_dir() / "models" / name


def verified(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of model `name` of `SOURCES` in `directory`, else in the cache, after checking every file.

    Uses no network. Raises ModelUnavailableError where there is no such folder, ModelCorruptError where a file differs
    from the published one.
    """
    source_of(name)
    if directory is not None:
        return verified_in(name, expanded(directory), "directory")
    if not cached(name).is_dir():
        raise ModelUnavailableError(f"{name} is not in the cache: run `refimpl models fetch {name}`")
    verify(name, cached(name))
    return cached(name)


def verified_in(name: str, folder: Path, setting: str) -> Path:
    """Return the folder of model `name` that `folder` is or contains, its files checked if it is one of `SOURCES`.

    `setting` is what named `folder`, for messages. Raises as `verified`.
    """
    containing = find_in(folder, name, itself=True)
    if containing is None:
        raise ModelUnavailableError(f"{setting} must contain {name}, got {folder}: {missing_from(folder, name)}")
    if name in SOURCES:
        verify(name, containing)
    return containing


def verify(name: str, folder: Path) -> None:
    """Raise ModelCorruptError unless `folder` has every file of model `name` with the published sha256.

    Files unpacked from an archive are compared with their CRC in it.
    """
    source = source_of(name)
    for file, expected in source.files.items():
        if not (folder / file).is_file():
            raise ModelCorruptError(f"{folder / file} is missing: {_remedy(name, folder)}")
        actual = sha256(folder / file)
        if actual != expected:
            message = f"{folder / file} must have the published sha256 {expected}, got {actual}"
            raise ModelCorruptError(f"{message}: {_remedy(name, folder)}")
    for archive in source.unpack:
        for member in zipfile.ZipFile(folder / archive).infolist():
            unpacked = (folder / archive).parent / member.filename
            if not _is_unpacked(member, unpacked):
                raise ModelCorruptError(f"{unpacked} differs from its original in {archive}: {_remedy(name, folder)}")


def _is_unpacked(member: zipfile.ZipInfo, path: Path) -> bool:
    """Whether `path` is the archive's member: a folder, or a file of its size and CRC."""
    if member.is_dir():
        return path.is_dir()
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    return zlib.crc32(path.read_bytes()) == member.CRC


def model_dir() -> Path | None:
    """Return the folder in REFIMPL_MODEL_DIR, or None where it is unset or empty."""
    if not (value := os.environ.get("REFIMPL_MODEL_DIR")):
        return None
    folder = expanded(value)
    if not folder.is_dir():
        raise ModelUnavailableError(f"REFIMPL_MODEL_DIR must be a folder, got {folder}: correct or unset it")
    return folder


def find_in(folder: Path, name: str, *, itself: bool) -> Path | None:
    """Return the folder called `name` in `folder`, or with `itself` `folder`, if it has all of the model's files."""
    inside = [folder / name, folder / name.rpartition("/")[2]] if name in SOURCES or HUB_NAME.fullmatch(name) else []
    for candidate in [*inside, folder] if itself else inside:
        if all((candidate / file).is_file() for file in _required(name)):
            return candidate
    return None


def missing_from(folder: Path, name: str) -> str:
    """Describe what `find_in` misses in `folder`."""
    if not folder.is_dir():
        return "it is not a folder"
    here = folder / name if (folder / name).is_dir() else folder
    return f"{here} lacks {', '.join(file for file in _required(name) if not (here / file).is_file())}"


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return `path` with ~ expanded; unlike `Path.expanduser`, it leaves an unknown user's ~name as it is."""
    return Path(os.path.expanduser(path))


def _required(name: str) -> list[str]:
    return list(SOURCES[name].files) if name in SOURCES else ["config.json"]


def _remedy(name: str, folder: Path) -> str:
    if folder == cached(name):
        return f"run `refimpl models fetch {name} --force`"
    return f"replace the folder with the published {name}, or leave it out to download it"
