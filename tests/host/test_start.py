"""What a host leaves behind that cannot even be imported."""

import subprocess
import sys

from tests.support.home import Home

BROKEN = """
import sys
sys.modules["kensho_tui.host.main"] = None
from kensho_tui.host.__main__ import main
main([])
"""


def test_what_ends_a_host_before_its_log_is_open_is_in_the_log(home: Home) -> None:
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    log = (home.paths.logs / "host.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "kensho_tui.host.main" in log
