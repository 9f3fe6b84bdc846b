"""What is said of answers that the database does not take, in one line (pure)."""

from collections.abc import Sequence

from kensho_tui.core.errors import DiskFullError, StorageError


def unsaved_notices(errors: Sequence[StorageError]) -> tuple[str, ...]:
    """``errors``: why, answer by answer, the newest last. What helps comes early: a bar cuts the end."""
    if not errors:
        return ()
    what, they = ("1 answer is", "it is") if len(errors) == 1 else (f"{len(errors)} answers are", "they are")
    return (f"{what} not saved yet: {_remedy(errors[-1])} ({they} kept in memory until then)",)


def _remedy(error: StorageError) -> str:
    if isinstance(error, DiskFullError):
        return "free disk space"
    return error.hint[:1].lower() + error.hint[1:] if error.hint else error.message
