"""Themes are data: ``themes/*.toml``, read at start. No colour is written anywhere else."""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from textual.theme import Theme

import kensho_tui

DEFAULT = "kensho-dark"


def folder() -> Path:
    """Inside the installed package; in a checkout they lie beside it."""
    package = Path(kensho_tui.__file__).parent
    inside = package / "themes"
    return inside if inside.is_dir() else package.parent / "themes"


def read_theme(path: Path) -> Theme:
    """The theme of one file. Raises ValueError (also for TOML) or TypeError for a colour nobody knows."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return Theme(
        name=values["name"],
        dark=values.get("dark", True),
        variables=values.get("variables", {}),
        **values["colours"],
    )


def named(name: str) -> Theme | None:
    """One of the themes shipped with kensho-tui, or None: reading one is quicker than reading all."""
    path = folder() / f"{name}.toml"
    return read_theme(path) if path.parent == folder() and path.is_file() else None


@cache
def own_themes() -> tuple[Theme, ...]:
    """The themes shipped with kensho-tui, by name."""
    return tuple(sorted(_readable(folder()), key=lambda theme: theme.name))


def _readable(where: Path) -> Iterator[Theme]:
    for path in where.glob("*.toml"):
        yield read_theme(path)
