"""The prompt of `ask`: an argument, standard input, or both."""

import os
import select
import sys

from kensho_tui.core.errors import UsageError

MAX_BYTES = 16 * 1024 * 1024
TELL_AFTER_S = 1.0


def read_prompt(argument: str | None) -> str:
    """PROMPT with piped stdin attached below it; without PROMPT stdin is the prompt. Raises `UsageError`."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    prompt = argument or ""
    if prompt.strip() and piped.strip():
        prompt = f"{prompt}\n\n{piped}"
    elif not prompt.strip():
        prompt = piped
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint='Try: kensho-tui ask "What is a REST API?"')
    return prompt


def _read_stdin() -> str:
    """All of stdin as UTF-8, bounded. A wait for a quiet pipe is told, so that it is no riddle."""
    descriptor = sys.stdin.fileno()
    told = False
    parts: list[bytes] = []
    size = 0
    while True:
        if not told and not select.select([descriptor], [], [], TELL_AFTER_S)[0]:
            print(
                "kensho-tui: reading the rest of the prompt from standard input (Ctrl+C stops)",
                file=sys.stderr,
            )
            told = True
        part = os.read(descriptor, 1 << 16)
        if not part:
            return b"".join(parts).decode("utf-8", "replace")
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise UsageError(f"standard input is larger than {MAX_BYTES >> 20} MiB", hint="Give a part of it")
