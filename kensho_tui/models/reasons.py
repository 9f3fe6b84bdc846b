"""Why a worker ended, in words: its exit status and llama.cpp's last lines (pure)."""

import re
import signal
from collections.abc import Sequence

from kensho_tui.core.text import one_line

_TELLING = re.compile(
    r"error|fail|assert|abort|cannot|unable|out of memory|exceed|invalid|corrupt", re.IGNORECASE
)

_SIGNALS = {
    signal.SIGKILL: ("it was killed (signal 9)", "Often the system ran out of memory: try a smaller model"),
    signal.SIGSEGV: ("it crashed (segmentation fault)", "The model file may be damaged: fetch it again"),
    signal.SIGBUS: ("the model file changed or shrank while it was in use", "Fetch the model again"),
    signal.SIGABRT: (
        "llama.cpp gave up on an assertion",
        "The model file may be damaged or too new for this build",
    ),
    signal.SIGILL: (
        "this build of llama.cpp uses instructions the CPU lacks",
        "Rebuild llama-cpp-python here",
    ),
    signal.SIGTERM: ("it was ended by signal 15", ""),
}


def telling_line(tail: Sequence[str]) -> str:
    """The last of llama.cpp's lines that sounds like a reason, or an empty string."""
    for line in reversed(tail):
        if _TELLING.search(line):
            return one_line(line, 200)
    return ""


def explain_exit(returncode: int | None, tail: Sequence[str]) -> tuple[str, str]:
    """What happened and what to do, for a worker that ended on its own."""
    hint = "Ask again: a new worker is started"
    if returncode is None:
        reason = "it closed its link"
    elif returncode < 0:
        try:
            reason, advice = _SIGNALS.get(
                signal.Signals(-returncode), (f"it was ended by {signal.Signals(-returncode).name}", "")
            )
        except ValueError:
            reason, advice = f"it was ended by signal {-returncode}", ""
        hint = advice or hint
    else:
        reason = f"it ended with status {returncode}"
    line = telling_line(tail)
    return (f"{reason}; llama.cpp said: {line}" if line else reason), hint
