"""What README and docs name is there: files, rooms, commands. What they say of it people have to check."""

import re
from pathlib import Path

import pytest

from kensho_tui.cli.main import COMMANDS
from kensho_tui.ui.commands.registry import BY_SLASH

ROOT = Path(__file__).resolve().parents[2]
README, ARCHITECTURE, METRICS = ROOT / "README.md", ROOT / "docs/architecture.md", ROOT / "docs/metrics.md"


def _found(pattern: str, page: Path) -> set[str]:
    return set(re.findall(pattern, page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [README, ARCHITECTURE, METRICS], ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = _found(r"`([\w/*]+\.py)`", page) | _found(r"\]\(([\w/.-]+)\)", page)
    files = [file for top in ("kensho_tui", "benchmarks", "docs") for file in (ROOT / top).rglob("*.*")]
    assert [name for name in sorted(named) if not any(file.match(name) for file in files)] == []


def test_the_rooms_are_those_of_the_package() -> None:
    packages = {path.parent.name for path in (ROOT / "kensho_tui").glob("*/__init__.py")}
    assert _found(r"(?m)^\| `(\w+)` \|", ARCHITECTURE) == packages


@pytest.mark.parametrize("page", [README, METRICS], ids=lambda page: page.name)
def test_commands_that_are_named_are_there(page: Path) -> None:
    assert _found(r"`/([a-z-]+)", page) - BY_SLASH.keys() == set()
    assert _found(r"kensho-tui ([a-z]+)\b", page) - {*COMMANDS} == set()
