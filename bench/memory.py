"""How much resident memory one call needs at its peak, as the kernel counted it."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_PEAK = "5"  # proc(5): set the peak resident set size to the current one


def peak_growth_bytes(run: Callable[[], Any]) -> int | None:
    """Growth of this process's resident memory over `run()`, at its peak; None where the kernel does not tell.

    Freed memory is given back first, so that what an earlier caller left in the allocator does not hide a later one's
    need. Set-up (weights, indices) is not in it: only what the call adds.
    """
    gc.collect()
    give_back()
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
        before = _status_bytes("VmRSS")
    except OSError:  # not Linux, or a container that forbids it
        run()
        return None
    run()
    return max(0, _status_bytes("VmHWM") - before)


def peak_rss_bytes() -> int | None:
    """The greatest resident memory of this process since it began, or since a reset; None where nobody tells."""
    try:
        return _status_bytes("VmHWM")
    except OSError:
        return None


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS} has no {name}")
    return int(found[1]) * 1024


def give_back() -> None:
    """Return what the allocator holds but does not use to the system, where the C library can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # no glibc: musl and macOS return freed pages on their own terms
        return
