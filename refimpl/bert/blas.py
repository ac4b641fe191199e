"""One BLAS thread per worker while texts are encoded: OpenBLAS's own threads would wait on each other."""

import sys
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

from refimpl.common.shared import Restore, Shared


@lru_cache(maxsize=1)
def _libraries(modules: int) -> list[Any]:
    """The BLAS libraries of this process, searched again after an import, since that takes a millisecond."""
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


def _limit() -> Restore:
    before = [(library, library.get_num_threads()) for library in _libraries(len(sys.modules))]
    for library, _ in before:
        library.set_num_threads(1)

    def restore() -> None:
        for library, threads in before:
            if threads is not None and library.get_num_threads() == 1:  # not where a caller has changed it since
                library.set_num_threads(threads)

    return restore


ONE_BLAS_THREAD = Shared(_limit)
