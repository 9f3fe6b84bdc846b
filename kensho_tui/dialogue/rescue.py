"""The last resort for an answer that the database does not take: a file of its own."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def write_rescue(folder: Path, message: str, text: str) -> None:
    """Write `text` there, and log where it is, or that it is lost."""
    path = folder / f"unsaved-{message}.txt"
    try:
        path.write_text(text, encoding="utf-8")
        log.error("answer %s could not be saved; its text is in %s", message, path)
    except OSError as error:
        log.error("answer %s is lost: neither the database nor %s took it: %s", message, path, error)
