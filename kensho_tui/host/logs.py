"""Rotating logs: host.log, and worker.log for what llama.cpp prints. Message text is never logged."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_BYTES = 2 * 1024 * 1024
OLD_FILES = 4
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def start_logging(folder: Path) -> None:
    _to_file(logging.getLogger("kensho_tui"), folder / "host.log")
    _to_file(logging.getLogger("asyncio"), folder / "host.log")
    output = logging.getLogger("kensho_tui.worker_output")
    output.propagate = False
    _to_file(output, folder / "worker.log")


def _to_file(logger: logging.Logger, path: Path) -> None:
    handler = RotatingFileHandler(
        path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="replace", delay=True
    )
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
