"""Bytes of memory, files and downloads, as a person reads of them everywhere (pure)."""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def human_size(count: int) -> str:
    """``1.1 GiB``, ``98 MiB``, ``12 KiB``, ``5 B``."""
    if count >= GIB:
        return f"{count / GIB:.1f} GiB"
    if count >= MIB:
        return f"{count / MIB:.0f} MiB"
    return f"{count / KIB:.0f} KiB" if count >= KIB else f"{count} B"
