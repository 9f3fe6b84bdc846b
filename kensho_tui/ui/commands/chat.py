"""Commands of the chat screen."""

from typing import TYPE_CHECKING

from kensho_tui.ui.commands.base import ANYWHERE, Command

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class Stop(Command):
    name = "stop"
    title = "Stop the answer or the load"
    help = "Ends the answer under way, its text is kept and can be continued; else the load of a model."
    keys = "escape"

    def enabled(self, app: "KenshoApp") -> bool:
        return app.session.running() is not None or app.session.progress is not None

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.chat_screen.stop()


class Interrupt(Command):
    name = "interrupt"
    title = "Copy the selection, else stop"
    help = "Copies selected text; without any it stops the answer; pressed twice with none it leaves."
    keys = "ctrl+c"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        """Not exclusive: one that ended the one before would not know that it is the second."""
        app.run_quietly(app.chat_screen.interrupt, "interrupt", exclusive=False)


class Continue(Command):
    name = "continue"
    title = "Continue the answer"
    help = "Goes on with an answer that was stopped, failed, interrupted or cut at a limit."
    keys = "ctrl+g"
    aliases = ("resume",)

    def enabled(self, app: "KenshoApp") -> bool:
        return app.chat_screen.resumable is not None

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.chat_screen.resume()


class NewChat(Command):
    name = "new"
    title = "New chat"
    help = "Starts an empty chat; the one before is kept, and what streams there goes on."
    keys = "ctrl+n"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.to_chat()
        app.chat_screen.to_prompt()
        app.session.enter(None)

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.session.show_entered()


class Chats(Command):
    name = "chats"
    title = "Chats"
    help = "Opens the sidebar with the saved chats, or goes to it; pressed there, closes it."
    keys = "ctrl+r,f2"
    argument = "[words]"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.to_chat()
        app.chat_screen.show_chats(argument)


class Copy(Command):
    name = "copy"
    title = "Copy the last answer"
    help = "Puts the last answer on the clipboard through the terminal (OSC 52), over SSH as well."
    keys = "ctrl+y"
    priority = True

    def enabled(self, app: "KenshoApp") -> bool:
        return app.session.last_answer() is not None

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.chat_screen.copy_last()


class Follow(Command):
    name = "end"
    title = "Go to the end"
    help = "Shows the newest text and follows it. The key End does so from the end of the prompt's text."
    keys = "f9"

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        app.chat_screen.transcript.follow()
