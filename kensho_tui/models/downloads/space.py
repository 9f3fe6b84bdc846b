"""Room on the disk: enough before a download begins, and never the last of it while it runs."""

import errno
import shutil
from pathlib import Path

from kensho_tui.core.errors import DiskFullError
from kensho_tui.core.sizes import human_size

RESERVE = 256 << 20
"""Bytes that downloads leave free: chats are written to the same disk, as a rule."""
LOOK_EVERY = 32 << 20
"""Bytes between two looks while something is written."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: OSError) -> bool:
    return error.errno in _FULL


class Space:
    """Free bytes on the disk of `folder`; what cannot be asked counts as enough."""

    def __init__(self, folder: Path, reserve: int = RESERVE) -> None:
        self._folder = folder
        self._reserve = reserve

    def free(self) -> int | None:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None

    def need(self, size: int, promised: int = 0) -> None:
        """Raise `DiskFullError` where `size` more bytes do not fit beside those `promised` to others."""
        free = self.free()
        if free is None or size + promised + self._reserve <= free:
            return
        others = f", and other downloads still need {human_size(promised)}" if promised else ""
        raise DiskFullError(
            f"{human_size(size)} do not fit on the disk: {human_size(free)} are free, "
            f"{human_size(self._reserve)} of them are left for chats{others}",
            hint=f"Free {human_size(size + promised + self._reserve - free)} "
            "(kensho-tui gc shows what can go), or choose a smaller quantisation",
        )

    def look(self) -> None:
        """Raise `DiskFullError` when only the reserve is left."""
        free = self.free()
        if free is not None and free < self._reserve:
            raise DiskFullError(
                f"the disk is nearly full ({human_size(free)} left); what was fetched is kept",
                hint="Free some space (kensho-tui gc shows what can go), then resume the download",
            )
