"""Does a running answer survive a log-out? systemd can end all processes of a user who leaves."""

import os
import pwd
import re
from pathlib import Path

from kensho_tui.host.doctor.check import Finding, Surroundings, bad, good

_FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib")
_SETTING = re.compile(r"^(#?)\s*(KillUserProcesses|KillExcludeUsers|KillOnlyUsers)\s*=(.*)$", re.MULTILINE)


def check_logout(around: Surroundings) -> Finding:
    """Reads the settings of systemd-logind and whether this user lingers."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return judge(around.root, user)


def judge(root: Path, user: str) -> Finding:
    """The finding for ``user`` on the machine whose files lie under ``root``."""
    if not (root / "run/systemd/system").is_dir():
        return good("no systemd here: a log-out ends nothing")
    fix = f"loginctl enable-linger {user}"
    if (root / "var/lib/systemd/linger" / user).exists():
        return good("answers go on after log-out (linger is enabled)")
    if killed(logind_settings(root), user):
        return bad("systemd ends all your processes at log-out (KillUserProcesses=yes), answers too", fix)
    if "/user@" in _text(root / "proc/self/cgroup"):
        return good("this terminal belongs to your desktop session: answers end with your last log-out", fix)
    return good("answers go on after log-out (KillUserProcesses=no)")


def killed(settings: dict[str, str], user: str) -> bool:
    """Whether these settings of logind end ``user``'s processes at log-out (pure)."""
    excluded = settings.get("KillExcludeUsers", "root").split()
    only = settings.get("KillOnlyUsers", "").split()
    wanted = settings.get("KillUserProcesses", "no").lower() in ("yes", "true", "on", "1")
    return wanted and user not in excluded and (not only or user in only)


def logind_settings(root: Path) -> dict[str, str]:
    """What is set for logind: the main file, then drop-ins by name, a nearer folder's before the others'.

    The main file shows in comments what this systemd was compiled with; that counts where nothing is set.
    """
    main = next(
        (file for folder in _FOLDERS if (file := root / folder / "systemd/logind.conf").is_file()), None
    )
    drop_ins: dict[str, Path] = {}
    for folder in _FOLDERS:
        for file in (root / folder / "systemd/logind.conf.d").glob("*.conf"):
            drop_ins.setdefault(file.name, file)
    compiled: dict[str, str] = {}
    given: dict[str, str] = {}
    for file in [*([main] if main else []), *(drop_ins[name] for name in sorted(drop_ins))]:
        for comment, name, value in _SETTING.findall(_text(file)):
            (compiled if comment else given)[name] = value.strip()
    return compiled | given


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
