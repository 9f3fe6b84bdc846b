"""Checks of the terminal: what it is, what it answers, and whether copying reaches the clipboard."""

import subprocess
from collections.abc import Mapping

from kensho_tui.host.doctor import terminal
from kensho_tui.host.doctor.check import Finding, Surroundings, bad, good

SMALLEST = (80, 24)


def check_terminal(around: Surroundings) -> Finding:
    """Kind, size, colours, character set, and what lies between it and us."""
    try:
        with terminal.open_terminal() as fd:
            size = terminal.size(fd)
    except terminal.Unavailable as reason:
        return good(f"{reason}: not checked")
    return judge(around.environ, size)


def judge(environ: Mapping[str, str], size: tuple[int, int]) -> Finding:
    """The finding for a terminal of ``size`` (columns, rows) with these variables (pure)."""
    kind = environ.get("TERM", "")
    if kind in ("", "dumb", "unknown"):
        return bad(
            f"TERM is {kind or 'not set'!s}: the app cannot draw here",
            "Use a terminal emulator, or set TERM to what yours is (often xterm-256color)",
        )
    names, charset = charset_of(environ)
    detail = f"{kind}, {_size_words(size)}, {colours(environ)}, {charset or 'no character set given'}"
    between = [name for name, there in around_us(environ).items() if there]
    if between:
        detail += f", inside {' and '.join(between)}"
    if charset and charset != "UTF-8":
        return bad(f"{detail}: {names} is not UTF-8", "Set LANG to a UTF-8 locale: export LANG=C.UTF-8")
    if size != (0, 0) and (size[0] < SMALLEST[0] or size[1] < SMALLEST[1]):
        return good(detail, f"The app is made for {SMALLEST[0]}×{SMALLEST[1]} and more: enlarge the window")
    if not charset:
        return good(detail, "If characters look broken: export LANG=C.UTF-8")
    return good(detail)


def charset_of(environ: Mapping[str, str]) -> tuple[str, str]:
    """The locale variable that decides, and its character set ("" when none is named; pure)."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = environ.get(name, "")
        if value:
            charset = value.partition(".")[2].partition("@")[0] if "." in value else value
            if charset.upper().replace("-", "") == "UTF8":
                return name, "UTF-8"
            return name, charset if "." in value else ""
    return "", ""


def colours(environ: Mapping[str, str]) -> str:
    """How many colours the variables promise (pure)."""
    kind = environ.get("TERM", "")
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or kind.endswith("-direct"):
        return "true colour"
    return "256 colours" if "256color" in kind else "16 colours"


def around_us(environ: Mapping[str, str]) -> dict[str, bool]:
    """Which layers carry our terminal (pure)."""
    return {
        "SSH": bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
        "tmux": bool(environ.get("TMUX")),
        "screen": bool(environ.get("STY")),
    }


def _size_words(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}" if all(size) else "size unknown"


def check_replies(around: Surroundings) -> Finding:
    """Synchronized output, cursor report, key protocol; and the line's round trip."""
    try:
        with terminal.open_terminal() as fd:
            replies = terminal.ask(fd)
    except terminal.Unavailable as reason:
        return good(f"{reason}: not checked")
    if not replies.answered:
        return good(
            f"no answer within {terminal.DEADLINE_S} s: frames are drawn without waiting for the terminal"
        )
    said = [
        f"{name} {'yes' if there else 'no'}"
        for name, there in (
            ("synchronized output", replies.synchronized),
            ("cursor report", replies.cursor),
            ("kitty key protocol", replies.keys),
        )
    ]
    return good(f"{', '.join(said)}; answered in {replies.seconds * 1000:.0f} ms")


def check_clipboard(around: Surroundings) -> Finding:
    """How a copied answer reaches the clipboard of the person's own machine."""
    try:
        with terminal.open_terminal():
            pass
    except terminal.Unavailable as reason:
        return good(f"{reason}: not checked")
    inside_tmux = bool(around.environ.get("TMUX"))
    return clipboard(around.environ, tmux_option() if inside_tmux else "")


def clipboard(environ: Mapping[str, str], tmux_setting: str) -> Finding:
    """The finding for these variables and tmux's option ``set-clipboard`` ("" unknown; pure)."""
    if environ.get("TMUX"):
        if tmux_setting == "on":
            return good("OSC 52 through tmux (set-clipboard on)")
        return good(
            f"tmux keeps copied text from the terminal (set-clipboard is {tmux_setting or 'unknown'})",
            "Add `set -g set-clipboard on` to ~/.tmux.conf, then `tmux source-file ~/.tmux.conf`",
        )
    if environ.get("STY"):
        return good("none: GNU screen does not pass on OSC 52", "Use tmux, or no multiplexer, to copy")
    if environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return good("none: Apple's Terminal does not know OSC 52", "Another terminal emulator can copy")
    return good("OSC 52, straight to the terminal")


def tmux_option() -> str:
    """tmux's server option ``set-clipboard``, or "" when tmux does not say."""
    try:
        said = subprocess.run(
            ["tmux", "show-options", "-sv", "set-clipboard"],  # noqa: S607 - the person's own tmux
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=2,
            check=False,
            text=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()
