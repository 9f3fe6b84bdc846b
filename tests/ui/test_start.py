"""What the app does not load before somebody asks for it."""

import json
import subprocess
import sys


def test_nothing_about_models_is_imported_at_start() -> None:
    program = "import kensho_tui.ui.app, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    late = ("kensho_tui.ui.models", "kensho_tui.core.model_contract", "kensho_tui.ui.choice_list")
    assert {name for name in loaded if name.startswith(late)} == set()
    assert "kensho_tui.ui.commands.models" in loaded
