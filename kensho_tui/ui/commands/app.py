"""Commands of the app as a whole."""

from typing import TYPE_CHECKING

from kensho_tui.core.errors import UsageError
from kensho_tui.ui.commands.base import ANYWHERE, Command
from kensho_tui.ui.keys import caught_up

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class Palette(Command):
    name = "palette"
    title = "All commands"
    help = "Finds a command by its name."
    keys = "ctrl+p"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        app.action_command_palette()


class Help(Command):
    name = "help"
    title = "Help"
    help = "Lists every command with its key and slash name. Outside the prompt `?` does the same."
    keys = "f1"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.ui.help_screen import HelpScreen

        if not isinstance(app.screen, HelpScreen):
            below = app.screen_bindings(app.place)
            app.push_screen(HelpScreen(app.keys_of, app.notices, app.place, below))


class Theme(Command):
    name = "theme"
    title = "Change the theme"
    help = "Takes a theme by name, else lets you pick one; `theme` in the settings file makes it last."
    argument = "[name]"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        app.offer_themes()
        if not argument:
            await app.pick_theme()
        elif argument in app.available_themes:
            app.theme = argument
        else:
            own = ", ".join(name for name in sorted(app.available_themes) if name.startswith("kensho"))
            raise UsageError(f"there is no theme {argument!r}", hint=f"/theme lists them; our own are {own}")


class Redraw(Command):
    name = "redraw"
    title = "Redraw the screen"
    help = "Writes the whole screen again, for when another program has written over it."
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        app.drawing.redraw()


class Restart(Command):
    name = "restart"
    title = "Restart the host"
    help = "Ends the host in an orderly way and starts it with this terminal's environment."
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.session.host.stop_host()


class Quit(Command):
    name = "quit"
    title = "Leave"
    help = "Leaves the app. An answer under way goes on without it and is there when you come back."
    keys = "ctrl+q"
    aliases = ("exit", "q")
    priority = True
    everywhere = True

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await caught_up(app)
        app.leave()
