"""``python -m kensho_tui.models.bench.spin``: keeps one core busy until its stdin closes.

The pipe closes with the host, however that ends, so no such process is ever left behind.
"""

import os
import signal
import sys
import threading
from typing import NoReturn


def main() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.stdout.write("busy\n")
    sys.stdout.flush()
    while True:
        pass


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
