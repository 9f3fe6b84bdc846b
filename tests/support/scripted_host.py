"""A real host whose workers are scripted. Run it in the foreground with KENSHO_HOME set."""

import sys
from pathlib import Path

from kensho_tui.host.main import run

SCRIPTED_WORKER = (sys.executable, str(Path(__file__).with_name("scripted_worker.py")))

if __name__ == "__main__":
    ready = int(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.exit(run(ready, None, SCRIPTED_WORKER))
