"""The provenance of a measurement: machine, libraries, commit, data and settings."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "scipy", "tokenizers", "pymilvus", "milvus-lite")
BLAS_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ABSENT = "not installed"


def stamp(
    *,
    dataset: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    libraries: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the provenance of a measurement as plain JSON values.

    Parameters
    ----------
    dataset
        Name and hash of the data.
    settings
        Settings of the run.
    libraries
        Further distributions whose versions matter, such as a benchmark's peers.

    Returns
    -------
    dict
        `at` (UTC), `machine`, `python`, `blas`, `versions` ("not installed" for a missing library), `commit` ("none"
        outside a git checkout), `dataset`, `settings`.
    """
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "blas": blas(),
        "versions": {
            "refimpl": library_version("refimpl"),
            **{n: library_version(n) for n in (*LIBRARIES, *libraries)},
        },
        "commit": commit(),
        "dataset": dict(dataset or {}),
        "settings": dict(settings or {}),
    }


def machine() -> dict[str, Any]:
    """Return CPU model, cores (the machine's and those this process may use), memory in bytes, operating system.

    Memory and load are None on systems that do not report them.
    """
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "cores_usable": usable_cores(),
        "memory_bytes": _memory_bytes(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_1min": _load_1min(),
    }


def usable_cores() -> int:
    """Return the number of cores this process may use: fewer than the machine's under taskset or a cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas() -> dict[str, Any]:
    """Return the BLAS that numpy was built with and, if threadpoolctl is installed, those loaded, with threads."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    blas = {
        "numpy_built_with": f"{built.get('name', 'unknown')} {built.get('version', '')}".strip(),
        "environment": {name: os.environ[name] for name in BLAS_VARIABLES if name in os.environ},
    }
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return blas
    pools = [
        {"api": pool["internal_api"], "version": str(pool["version"]), "threads": pool["num_threads"]}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return blas | {"loaded": pools}


def library_version(distribution: str) -> str:
    """Return the version of a distribution, or "not installed"; imports nothing."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ABSENT


def commit() -> str:
    """Return the checkout's commit, with "+changes" if files differ from it; "none" outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return "none"
    head = _git(root, "rev-parse", "HEAD")
    if not head:
        return "none"
    return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", errors="replace").strip() if done.returncode == 0 else ""


def _memory_bytes() -> int | None:
    """Return the physical memory, from POSIX's sysconf, else from psutil if installed, else None."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        pass
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)


def _load_1min() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
