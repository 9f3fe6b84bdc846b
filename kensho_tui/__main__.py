"""``python -m kensho_tui``."""

import sys

from kensho_tui.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
