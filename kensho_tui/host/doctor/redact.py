"""What a report may show to strangers: no secrets, no names of person and machine."""

import os
import platform
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

REMOVED = "<removed>"

_SENSITIVE = r"[\w-]*(?:token(?!s)|secret|passw(?:or)?d|credential|api[_-]?key)[\w-]*|(?:[\w-]*[_-])?key"
_SECRET_VALUE = re.compile(
    rf"""\b({_SENSITIVE})(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;}}]+)""", re.IGNORECASE
)
_SECRET_FORMS = re.compile(
    r"\b(?:hf_|sk-|gh[pousr]_|github_pat_|xox[abp]-)[\w-]{8,}|(?i:bearer)\s+[\w.~+/=-]{8,}"
)
_URL_LOGIN = re.compile(r"(\w://)[^/\s@]+@")
_SECRET_VARIABLE = re.compile(r"token|secret|passw|credential|key", re.IGNORECASE)


class Redactor:
    """Replaces home folder, user and machine names, and everything that looks like a secret."""

    def __init__(
        self, home: str, users: Sequence[str], machines: Sequence[str], secrets: Sequence[str]
    ) -> None:
        self._secrets = sorted({value for value in secrets if len(value) >= 6}, key=len, reverse=True)
        self._names = (
            [(re.compile(rf"{re.escape(home.rstrip('/'))}(?![\w.-])"), "~")] if len(home) > 1 else []
        )
        self._names += [(_name_pattern(name), "<host>") for name in _longest_first(machines)]
        self._names += [(_name_pattern(name), "<user>") for name in _longest_first(users)]

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> "Redactor":
        """For this user on this machine. Values of secret variables are removed wherever they stand."""
        user = pwd.getpwuid(os.getuid())
        node = platform.node()
        return cls(
            home=str(Path.home()),
            users=[user.pw_name, environ.get("USER", ""), environ.get("LOGNAME", "")],
            machines=[node, node.partition(".")[0]],
            secrets=[value for name, value in environ.items() if _SECRET_VARIABLE.search(name)],
        )

    def __call__(self, text: str) -> str:
        for value in self._secrets:
            text = text.replace(value, REMOVED)
        text = _SECRET_FORMS.sub(REMOVED, text)
        text = _URL_LOGIN.sub(rf"\1{REMOVED}@", text)
        text = _SECRET_VALUE.sub(rf"\1\2{REMOVED}", text)
        for pattern, name in self._names:
            text = pattern.sub(name, text)
        return text


def _longest_first(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if name and name != "localhost"}, key=len, reverse=True)


def _name_pattern(name: str) -> re.Pattern[str]:
    """A whole word; a name of one letter counts only where it is part of a path or an address."""
    word = re.escape(name)
    if len(name) > 1:
        # Two letters in other case are more often a word or a unit than the name.
        return re.compile(rf"(?<!\w){word}(?!\w)", re.IGNORECASE if len(name) > 2 else 0)
    return re.compile(rf"(?<=/){word}(?=/|\s|$)|(?<!\w){word}(?=@)")
