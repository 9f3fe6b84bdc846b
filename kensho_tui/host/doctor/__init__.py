"""``python -P -m kensho_tui.host.doctor``: every check of this installation, without the running host.

A short-lived child of the command line. It prints one JSON document on stdout and what it is checking on
stderr; the terminal itself is asked through ``/dev/tty``.
"""
