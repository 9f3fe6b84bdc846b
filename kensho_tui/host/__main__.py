"""``python -m kensho_tui.host [--ready-fd N] [--warm]``: detach, then run the host.

``--ready-fd``: one JSON object is written there once the host listens (``{}``) or cannot (its error).
``--warm``: a worker is started first of all, so that llama.cpp loads while the host builds its rooms.
"""

import os
import sys
from types import TracebackType


def detach(ready: int) -> None:
    """A session of our own, no terminal, no parent, no file of whoever started us but `ready`."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - pathlib is not imported yet
        if int(name) > 2 and int(name) != ready:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own


def leave_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A detached process has no terminal: what ends it before its log is open is written there too."""
    import traceback

    from kensho_tui.config.paths import find_paths

    folder = find_paths().logs
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with folder.joinpath("host.log").open("a", encoding="utf-8", errors="replace") as log:
        traceback.print_exception(kind, error, trace, file=log)
    sys.__excepthook__(kind, error, trace)


def main(arguments: list[str]) -> None:
    ready = int(arguments[arguments.index("--ready-fd") + 1]) if "--ready-fd" in arguments else None
    if ready is not None:
        detach(ready)
    sys.excepthook = leave_word
    spare = None
    if "--warm" in arguments:
        from kensho_tui.config.paths import find_paths
        from kensho_tui.models.ahead import start_spare

        spare = start_spare(find_paths().cache)
    from kensho_tui.host.main import run

    sys.exit(run(ready, spare))


if __name__ == "__main__":
    main(sys.argv[1:])
