"""How a model is named on the command line."""

from pathlib import Path


def model_reference(given: str) -> str:
    """A file is named absolutely, since the host works in another folder; anything else is a name."""
    path = Path(given).expanduser()
    return str(path.absolute()) if path.is_file() else given
