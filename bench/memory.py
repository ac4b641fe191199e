"""How much resident memory one call needs at its peak, as the kernel counted it."""

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refimpl.common.memory import return_free_memory

CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_PEAK = "5"  # proc(5): set the peak resident set size to the current one


def peak_growth_bytes(run: Callable[[], Any]) -> int | None:
    """Growth of this process's resident memory over `run()`, at its peak; None where the system does not report it.

    Freed memory is returned to the system first, so that an earlier caller's memory in the allocator does not hide a
    later one's. Set-up (weights, indices) is not in it: only what the call adds.
    """
    gc.collect()
    return_free_memory()
    try:
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
        before = _status_bytes("VmRSS")
    except OSError:  # not Linux, or a container that forbids it
        run()
        return None
    run()
    return max(0, _status_bytes("VmHWM") - before)


def peak_rss_bytes() -> int | None:
    """Peak resident memory of this process since its start or a reset; None where the system does not report it."""
    try:
        return _status_bytes("VmHWM")
    except OSError:
        return None


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS} has no {name}")
    return int(found[1]) * 1024
