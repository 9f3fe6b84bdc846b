"""Files and functions stay small enough to be read at once."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "kensho_tui"


def test_no_file_above_400_lines_and_no_function_above_50() -> None:
    too_long = []
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if source.count("\n") > 400:
            too_long.append(path.name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 50:
                    too_long.append(f"{path.name}:{node.lineno} {node.name}")
    assert too_long == []
