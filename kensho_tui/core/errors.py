"""Every error a person can meet, with the exit code of the command line.

    KenshoError                 1  something failed
    ├── UsageError              2  the request makes no sense
    ├── NotFoundError           3  no such model or chat
    ├── EngineError             4  the engine failed
    │   ├── LoadError              the model could not be loaded
    │   │   ├── NoMemoryError         there was too little memory for it
    │   │   └── NotAModelError        the file goes with a model, and is none itself
    │   ├── ContextError           the prompt does not fit the context
    │   └── WorkerDiedError        the worker process ended on its own
    ├── StorageError            1  the database
    │   ├── DatabaseNewerError     written by a newer version: refused, untouched
    │   └── DiskFullError          nothing more can be saved
    ├── HubError                1  the hub, or the way to it
    │   ├── OfflineError           there is no way to it, or it was told to stay offline
    │   ├── GatedError             it wants a token, or terms accepted first
    │   ├── LimitedError           it was asked too often
    │   └── DamagedError           what came is not what was promised
    ├── HostError               1  the host process
    │   ├── HostUnavailableError   it could not be started or reached
    │   ├── HostBusyError          it is busy and speaks another protocol
    │   └── HostGoneError          the connection to it was lost
    └── ProtocolError           1  a frame that is not ours

An error crosses the bus as ``code``, ``message`` and ``hint``; `from_code` makes it whole again.
``message`` says what happened and what was kept, ``hint`` what to do.
"""

from typing import ClassVar

from kensho_tui.core.text import one_line

LINE_LIMIT = 2000
EXIT_INTERRUPTED = 130
"""Of a command that Ctrl+C has ended."""


class KenshoError(Exception):
    """Base of all errors that are shown to a person."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def line(self) -> str:
        """One line that is safe on a terminal: what happened, then what to do."""
        return one_line(f"{self.message}. {self.hint}" if self.hint else self.message, LINE_LIMIT)


class UsageError(KenshoError):
    code = "usage"
    exit_code = 2


class NotFoundError(KenshoError):
    code = "not_found"
    exit_code = 3


class EngineError(KenshoError):
    code = "engine"
    exit_code = 4


class LoadError(EngineError):
    code = "load"


class NoMemoryError(LoadError):
    code = "no_memory"


class NotAModelError(LoadError):
    code = "not_a_model"


class ContextError(EngineError):
    code = "context"


class WorkerDiedError(EngineError):
    code = "worker_died"


class StorageError(KenshoError):
    code = "storage"


class DatabaseNewerError(StorageError):
    code = "database_newer"


class DiskFullError(StorageError):
    code = "disk_full"


class HubError(KenshoError):
    code = "hub"


class OfflineError(HubError):
    code = "offline"


class GatedError(HubError):
    code = "gated"


class LimitedError(HubError):
    code = "limited"


class DamagedError(HubError):
    code = "damaged"


class HostError(KenshoError):
    code = "host"


class HostUnavailableError(HostError):
    code = "host_unavailable"


class HostBusyError(HostError):
    code = "host_busy"


class HostGoneError(HostError):
    code = "host_gone"


class ProtocolError(KenshoError):
    code = "protocol"


def _tree(root: type[KenshoError]) -> dict[str, type[KenshoError]]:
    # Only who names a code is meant by it: a room may refine an error for itself, with arguments of its own.
    found = {root.code: root} if "code" in vars(root) else {}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def from_code(code: str, message: str, hint: str = "") -> KenshoError:
    """The error that was sent; an unknown code (a newer peer) becomes a plain `KenshoError`."""
    return _tree(KenshoError).get(code, KenshoError)(message, hint=hint)
