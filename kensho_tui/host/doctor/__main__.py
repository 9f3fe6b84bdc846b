"""``python -P -m kensho_tui.host.doctor [--report FILE]``."""

import sys

from kensho_tui.host.doctor.main import main

sys.exit(main(sys.argv[1:]))
