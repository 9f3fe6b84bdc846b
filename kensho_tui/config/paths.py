"""Where everything lies. ``KENSHO_HOME=DIR`` puts all of it under DIR; otherwise the XDG folders."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kensho_tui.core.errors import KenshoError

APP = "kensho-tui"
# sockaddr_un.sun_path: 108 bytes on Linux, 104 on macOS, with the closing NUL.
MAX_SOCKET_PATH = 103


@dataclass(frozen=True)
class Paths:
    """Folders of one user and data directory. Nothing is created until `ensure`."""

    config: Path
    data: Path
    cache: Path
    logs: Path
    runtime: Path

    @property
    def settings(self) -> Path:
        return self.config / "settings.toml"

    @property
    def database(self) -> Path:
        return self.data / "kensho.db"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def lock(self) -> Path:
        return self.data / "host.lock"

    @property
    def socket(self) -> Path:
        """In a short folder, named by a hash of the data directory: home paths can be too long."""
        import hashlib

        key = hashlib.sha256(str(self.data.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self.runtime / f"{key}.sock"

    def ensure(self) -> "Paths":
        """Create the folders, 0700 whatever the umask; refuse a runtime folder that is not ours."""
        try:
            for folder in (self.config, self.data, self.cache, self.logs, self.models):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.data.chmod(0o700)
            self.runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = os.lstat(self.runtime)
        except OSError as error:
            raise KenshoError(
                f"the folder {error.filename} cannot be used: {error.strerror}",
                hint="Free it, or set KENSHO_HOME to a folder you may write to",
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise KenshoError(
                f"{self.runtime} belongs to somebody else", hint="Set XDG_RUNTIME_DIR to a folder of your own"
            )
        self.runtime.chmod(0o700)
        return self


def _runtime() -> Path:
    """A folder short enough for a socket's path: in XDG_RUNTIME_DIR, else a temporary one of ours."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and Path(given).is_dir() and os.access(given, os.W_OK):
        folder = Path(given) / APP
    else:
        import tempfile

        folder = Path(tempfile.gettempdir()) / f"{APP}-{os.getuid()}"
    if len(os.fsencode(folder)) + 22 > MAX_SOCKET_PATH:
        folder = Path("/tmp") / f"{APP}-{os.getuid()}"  # noqa: S108 - ensure() checks its owner and mode
    return folder


def find_paths() -> Paths:
    """The paths of this user and environment."""
    home = os.environ.get("KENSHO_HOME", "")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(root / "config", root / "data", root / "cache", root / "logs", _runtime())
    from platformdirs import PlatformDirs

    dirs = PlatformDirs(APP, appauthor=False)
    return Paths(
        Path(dirs.user_config_dir),
        Path(dirs.user_data_dir),
        Path(dirs.user_cache_dir),
        Path(dirs.user_log_dir),
        _runtime(),
    )
