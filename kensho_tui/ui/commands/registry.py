"""All commands, and everything that is derived from them: keys, slash names, completion."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kensho_tui.ui.commands import answers, app, chat, downloads, metrics, models
from kensho_tui.ui.commands.base import Command

COMMANDS: tuple[Command, ...] = (
    chat.Continue(),
    chat.Stop(),
    chat.NewChat(),
    chat.Chats(),
    chat.Copy(),
    chat.Follow(),
    chat.Interrupt(),
    models.Switch(),
    models.Models(),
    models.Unload(),
    models.Load(),
    models.Pin(),
    models.Favourite(),
    models.Tags(),
    models.Defaults(),
    models.DeleteModel(),
    models.RestoreModel(),
    models.Hub(),
    models.Pull(),
    models.Downloads(),
    downloads.Use(),
    metrics.Metrics(),
    metrics.Bench(),
    answers.Fresh(),
    answers.PurgeCache(),
    app.Palette(),
    app.Help(),
    app.Theme(),
    app.Redraw(),
    app.Restart(),
    app.Quit(),
)
BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}
BY_SLASH: Mapping[str, Command] = {
    name: command for command in COMMANDS for name in (command.name, *command.aliases)
}

_SLASH = re.compile(r"/([A-Za-z][A-Za-z-]*)(?:\s+(.*))?", re.DOTALL)


class Slash(NamedTuple):
    """A slash command as typed; `command` is None when there is none of that name."""

    name: str
    argument: str
    command: Command | None


def parse_slash(text: str) -> Slash | None:
    """The slash command that `text` is, or None for a prompt (a path, several lines, `//` for a slash)."""
    found = _SLASH.fullmatch(text.strip())
    if found is None or "\n" in text.strip():
        return None
    name = found[1].lower()
    begun = [command for command in COMMANDS if command.name.startswith(name)]
    # What the ghost text completes to, when that is the only one.
    command = BY_SLASH.get(name) or (begun[0] if len(begun) == 1 else None)
    return Slash(name, (found[2] or "").strip(), command)


def unescape(text: str) -> str:
    """A prompt as it is sent: `//word` stands for `/word`."""
    return text[1:] if text.startswith("//") else text


def matching(text: str) -> list[Command]:
    """Commands whose slash name starts with what is typed so far."""
    if not text.startswith("/") or any(char.isspace() for char in text):
        return []
    return [command for command in COMMANDS if command.name.startswith(text[1:].lower())]


def complete(text: str) -> str | None:
    """`text` with its slash name completed, or None when it is none or already whole."""
    names = [command.name for command in matching(text)]
    if not names or text[1:] in names:
        return None
    return f"/{names[0]}"


def split_keys(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]


def _for_typing(key: str) -> bool:
    return len(key) == 1 or key in ("enter", "space", "tab", "backspace", "delete")


def keymap(
    wanted: Mapping[str, str], commands: Iterable[Command] = COMMANDS
) -> tuple[dict[str, str], list[str]]:
    """Keys of every command with the settings' own applied, and what is wrong with those.

    A name nobody has is left out; of two commands with one key, the one named in the settings wins.
    """
    commands = tuple(commands)
    known = {command.name for command in commands}
    problems = [
        f"keys: there is no command {name!r}; /help lists them" for name in wanted if name not in known
    ]
    problems += [
        f"keys: {key} is for typing and cannot be {name!r}"
        for name, given in wanted.items()
        for key in split_keys(given)
        if _for_typing(key)
    ]
    keys = {
        command.name: ",".join(
            key for key in split_keys(wanted.get(command.name, command.keys)) if not _for_typing(key)
        )
        or command.keys
        for command in commands
    }
    owner: dict[str, str] = {}
    for name in sorted(keys, key=lambda name: name not in wanted):
        for key in split_keys(keys[name]):
            if key in owner and owner[key] != name:
                problems.append(f"keys: {key} is both {owner[key]!r} and {name!r}; it does {owner[key]!r}")
                keys[name] = ",".join(other for other in split_keys(keys[name]) if other != key)
            else:
                owner[key] = name
    return keys, problems


_CAPS = {"escape": "Esc", "enter": "Enter", "end": "End", "tab": "Tab", "question_mark": "?"}


def key_label(keys: str) -> str:
    """The first key as people write it: `^G`, `Esc`, `F1`."""
    first = next(iter(split_keys(keys)), "")
    if first.startswith("ctrl+") and first.count("+") == 1:
        return f"^{first[5:].upper()}"
    return _CAPS.get(first, "+".join(part.capitalize() for part in first.split("+")))
