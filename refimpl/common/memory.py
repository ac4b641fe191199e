"""Memory that the allocator holds but does not use."""

import ctypes


def return_free_memory() -> None:
    """Return what the allocator holds but does not use to the system, where the C library can.

    Notes
    -----
    malloc_trim(3) of glibc. musl, macOS and Windows return freed pages by themselves.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return
