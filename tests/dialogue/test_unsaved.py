"""What is said of answers that could not be saved."""

from kensho_tui.core.errors import DiskFullError, StorageError
from kensho_tui.dialogue.unsaved import unsaved_notices

FULL = DiskFullError("the disk is full: the answer was not saved", hint="Free some space where /x lies")


def test_nothing_is_said_of_none() -> None:
    assert unsaved_notices([]) == ()


def test_how_many_there_are_and_what_helps() -> None:
    assert unsaved_notices([FULL]) == (
        "1 answer is not saved yet: free disk space (it is kept in memory until then)",
    )
    locked = StorageError("the answer was not saved: locked", hint="Another program holds it")
    assert unsaved_notices([FULL, locked]) == (
        "2 answers are not saved yet: another program holds it (they are kept in memory until then)",
    )
    assert unsaved_notices([StorageError("the answer was not saved: why")]) == (
        "1 answer is not saved yet: the answer was not saved: why (it is kept in memory until then)",
    )
