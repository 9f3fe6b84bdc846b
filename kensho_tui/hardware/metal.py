"""How much of its RAM a Mac lets Metal use."""

import functools

GIB = 1 << 30


def metal_limit(total: int, wired_mib: int = 0) -> int:
    """Bytes that Metal may hold of ``total`` RAM; ``wired_mib`` is what the owner set (0: nothing; pure).

    The system's own share is what Metal's recommendedMaxWorkingSetSize says: two thirds, on machines with
    36 GiB or more three quarters.
    """
    if wired_mib > 0:
        return min(wired_mib << 20, total)
    return total * 3 // 4 if total >= 36 * GIB else total * 2 // 3


@functools.cache
def wired_mib() -> int:
    """The system setting ``iogpu.wired_limit_mb``; 0 where it is not set or does not exist."""
    import ctypes

    try:
        ask = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return 0
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    if ask(b"iogpu.wired_limit_mb", ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return 0
    return max(value.value, 0)
