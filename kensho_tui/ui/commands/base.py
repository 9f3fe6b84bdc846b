"""`Command`: the one place that says what a command is called, what it does and how it is reached."""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


ANYWHERE = ("chat", "models", "metrics")
"""All screens."""


class Command:
    """A subclass is a command. Its attributes are all there is to know of it."""

    name: ClassVar[str]
    """The name in the settings file (`[keys]`) and after a slash."""

    title: ClassVar[str]
    """A few words for palette and help."""

    help: ClassVar[str]
    """One sentence that says what happens."""

    keys: ClassVar[str] = ""
    """Keys in Textual's spelling, separated by commas; portable over SSH and tmux."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Other slash names."""

    argument: ClassVar[str] = ""
    """What may follow the slash name, as help shows it."""

    priority: ClassVar[bool] = False
    """The key is taken before the prompt sees it."""

    everywhere: ClassVar[bool] = False
    """The key works over pickers and help, too."""

    places: ClassVar[tuple[str, ...]] = ("chat",)
    """The screens where its key works and the palette offers it."""

    def enabled(self, app: "KenshoApp") -> bool:
        """Whether it can do something now. Pressed all the same, it says why not."""
        return True

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        """Do what decides where the next key goes: on a slow line it is there already. Comes before `run`."""

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        """Do it. A `KenshoError` is shown, with its hint."""
