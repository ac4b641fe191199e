"""What must be equal on every worker, because vectors and files depend on it: refimpl's code and other packages."""

from functools import cache
from typing import TypedDict

from refimpl import __version__
from refimpl.common.hashing import code_hash
from refimpl.common.stamp import library_version
from refimpl.common.warning import warn
from refimpl.distributed.errors import ClusterError, ClusterWarning

PACKAGES = ("numpy", "scipy", "tokenizers", "safetensors", "pyarrow")
"""Packages that compute vectors, or write shards."""


class Environment(TypedDict):
    """Versions by name of what must be equal, and the processor type that BLAS chose its code for."""

    versions: dict[str, str]
    processor: str


@cache
def environment() -> Environment:
    """Return this process's environment."""
    from threadpoolctl import threadpool_info

    types = {pool["architecture"] for pool in threadpool_info() if pool.get("architecture")}
    versions = {"refimpl": f"{__version__} (sources {code_hash(__version__, '.')})"}
    versions |= {name: library_version(name) for name in PACKAGES}
    return {"versions": versions, "processor": ", ".join(sorted(types))}


def check_environment(expected: Environment, actual: Environment, worker: str) -> None:
    """Raise ClusterError, with the first version that differs, unless `worker` has what the client has."""
    for name, version in expected["versions"].items():
        if (other := actual["versions"].get(name)) != version:
            raise ClusterError(
                f"{worker} has {name} {other}, expected {version}, the client's: install the same version of it on "
                "every machine"
            )


def warn_of_processor(expected: Environment, actual: Environment, worker: str) -> None:
    """Warn where BLAS has other code for the worker's processor, which rounds otherwise."""
    if actual["processor"] != expected["processor"]:
        warn(
            f"{worker} computes with BLAS for {actual['processor']}, the client for {expected['processor']}: last bits "
            "of vectors can differ; where all processors can run it, set OPENBLAS_CORETYPE to one type for all",
            ClusterWarning,
            stacklevel=4,
        )
