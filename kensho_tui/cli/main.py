"""The entry point: the argument tree, and errors as one clear line with the right exit code."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kensho_tui import __version__
from kensho_tui.core.errors import EXIT_INTERRUPTED, KenshoError, UsageError
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    import argparse

DESCRIPTION = "A keyboard-driven terminal app for private, local AI. Without a command: the app."
COMMANDS = ("ask", "models", "pull", "fit", "rm", "chats", "show", "metrics", "bench", "gc", "doctor", "host")


def build_parser(wanted: Sequence[str] = COMMANDS) -> "argparse.ArgumentParser":
    """The argument tree with the commands `wanted`; the modules of others are not even imported."""
    import argparse

    parser = argparse.ArgumentParser(prog="kensho-tui", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"kensho-tui {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in wanted:
        importlib.import_module(f"kensho_tui.cli.{name}").add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 usage, 3 no such model or chat, 4 the engine failed, 130 interrupted.
    """
    # What a person wrote is shown with stand-ins where the terminal has no such characters.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.umask(0o077)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed by the caller
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        code = _run_command(given) if given else _run_app()
        sys.stdout.flush()
        return code
    except KenshoError as error:
        print(f"kensho-tui: {error.line()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read us is gone; Python would complain once more when it flushes at exit.
        _drop_stdout()
        return 1
    except OSError as error:
        _drop_stdout()
        print(f"kensho-tui: {one_line(str(error))}", file=sys.stderr)
        return 1


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_command(given: Sequence[str]) -> int:
    options = build_parser(given[:1] if given[0] in COMMANDS else COMMANDS).parse_args(given)
    if not hasattr(options, "run"):
        return _run_app()
    code: int = options.run(options)
    return code


def _run_app() -> int:
    # Textual reads stdin and draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("the app needs a terminal", hint="Use `kensho-tui ask` in scripts and pipes")
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise UsageError("this terminal cannot draw the app (TERM)", hint="Use `kensho-tui ask` here")
    from kensho_tui.config.paths import find_paths
    from kensho_tui.config.settings import load_settings
    from kensho_tui.ui.app import run

    paths = find_paths().ensure()
    settings, problems = load_settings(paths.settings)
    return run(paths, settings, problems)
