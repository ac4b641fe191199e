"""What every measured figure is stamped with: machine, libraries, commit, data and settings."""

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
    """Machine, versions, commit, `dataset` (its name and hash) and `settings`, as plain JSON values.

    `libraries` are further distributions whose versions matter, for example a benchmark's peers.
    A library that is not there is said to be "not installed"; a package outside a git checkout has commit "none".
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
    """CPU model, cores (those of the machine and those this process may use), memory in bytes, operating system."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "cores_usable": usable_cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine's under taskset or a container's cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas() -> dict[str, Any]:
    """The BLAS that numpy was built with and, where threadpoolctl is installed, the loaded ones with their threads."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    found = {
        "numpy_built_with": f"{built.get('name', 'unknown')} {built.get('version', '')}".strip(),
        "environment": {name: os.environ[name] for name in BLAS_VARIABLES if name in os.environ},
    }
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return found
    pools = [
        {"api": pool["internal_api"], "version": str(pool["version"]), "threads": pool["num_threads"]}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return found | {"loaded": pools}


def library_version(distribution: str) -> str:
    """Version of an installed distribution, or "not installed"; imports nothing."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ABSENT


def commit() -> str:
    """The checkout's commit, with "+changes" where files differ from it; "none" outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return "none"
    head = _git(root, "rev-parse", "HEAD")
    if not head:
        return "none"
    return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


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
