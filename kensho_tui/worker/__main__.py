"""``python -P -m kensho_tui.worker --fd N`` (the host's way) or ``--probe`` (the doctor's)."""

from kensho_tui.worker.main import main

raise SystemExit(main())
