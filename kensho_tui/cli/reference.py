"""How a model is named on the command line."""

import os
from pathlib import Path

from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import valid


def model_reference(given: str) -> str:
    """A file is named absolutely, since the host works in another folder; anything else is a name."""
    path = Path(given).expanduser()
    return str(path.absolute()) if path.is_file() else given


def what_to_pull(given: str) -> str:
    """What `pull` is asked for, as the host understands it: paths are made absolute, all else stays.

    A file that is there is meant by its path, also where a repository could be called the same.
    Raises `UsageError` for what cannot be sent to the host.
    """
    if given != valid(given) or "\0" in given:
        raise UsageError("this name cannot be used: it is no valid text", hint="Rename the file, or link it")
    if not given.strip():
        raise UsageError("nothing was named", hint="Try: kensho-tui pull owner/repository")
    here = os.path.expanduser(given)  # noqa: PTH111 - Path's refuses names of nobody
    looks_like_path = given.startswith(("~", os.sep, f".{os.sep}", f"..{os.sep}"))
    if looks_like_path or os.path.isfile(here):  # noqa: PTH113 - Path's refuses long names
        return str(Path(here).absolute())
    return given.strip()
