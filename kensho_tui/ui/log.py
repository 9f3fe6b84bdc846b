"""The app's rotating log: failures nobody expected, never the text of a message."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LIMIT_BYTES = 2 * 1024 * 1024
FILES = 5


def note(folder: Path, what: str, error: BaseException) -> None:
    """Write `error` with its traceback to ``app.log``; a log that cannot be written stops nothing."""
    logger = logging.getLogger("kensho_tui.ui")
    logger.propagate = False
    try:
        if not logger.handlers:
            handler = RotatingFileHandler(
                folder / "app.log", maxBytes=LIMIT_BYTES, backupCount=FILES - 1, encoding="utf-8"
            )
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)
    except OSError:
        return
    logger.error(what, exc_info=error)
