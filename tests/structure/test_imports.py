"""The layout is the architecture: who may import whom, and what a front end does not load."""

import json
import subprocess
import sys

import pytest

HEAVY = ("llama_cpp", "huggingface_hub", "aiosqlite", "sqlite3", "numpy", "jinja2", "psutil")
HOST_ROOMS = tuple(
    f"kensho_tui.{room}"
    for room in ("host", "dialogue", "metrics", "models", "hardware", "storage", "worker")
)


def _loaded_by(statement: str) -> set[str]:
    """The modules in `sys.modules` after `statement`, in a fresh interpreter."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _hits(loaded: set[str], names: tuple[str, ...]) -> set[str]:
    return {module for module in loaded for name in names if module == name or module.startswith(name + ".")}


@pytest.mark.parametrize(
    "statement",
    [
        "import kensho_tui.ui.app",
        "import kensho_tui.ui.chat_screen",
        "import kensho_tui.client.facade",
        "from kensho_tui.cli.main import build_parser; build_parser()",
    ],
)
def test_front_ends_load_nothing_of_the_host(statement: str) -> None:
    loaded = _loaded_by(statement)
    assert _hits(loaded, HEAVY + HOST_ROOMS) == set()


def test_the_command_line_loads_no_textual() -> None:
    loaded = _loaded_by("from kensho_tui.cli.main import build_parser; build_parser()")
    assert _hits(loaded, ("textual", "rich", "asyncio", "msgspec")) == set()


def test_the_host_loads_no_textual_and_no_llama_cpp() -> None:
    loaded = _loaded_by("import kensho_tui.host.main")
    assert _hits(loaded, ("textual", "rich", "llama_cpp", "kensho_tui.worker", "kensho_tui.ui")) == set()


def test_the_host_starts_without_what_few_ask_for() -> None:
    loaded = _loaded_by("import kensho_tui.host.rooms")
    rare = ("kensho_tui.metrics", "kensho_tui.models.hub", "kensho_tui.models.bench", "huggingface_hub")
    assert _hits(loaded, rare) == set()


def test_import_contracts_hold() -> None:
    command = (
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
