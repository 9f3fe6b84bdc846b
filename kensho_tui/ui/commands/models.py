"""Commands about models. What they do is imported when one is given."""

from typing import TYPE_CHECKING

from kensho_tui.core.errors import UsageError
from kensho_tui.ui.commands.base import ANYWHERE, Command

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class Switch(Command):
    name = "model"
    title = "Switch the model"
    help = (
        "Takes a model by name, else lets you pick one; the chat is kept. Enter at once goes back and forth."
    )
    keys = "ctrl+l"
    argument = "[name]"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        if argument:
            app.models.use(app.models.find(argument))
        else:
            app.models.open_switcher()


class Models(Command):
    name = "models"
    title = "Models"
    help = "Shows the models of this machine: what fits, what runs, and all that can be done with them."
    keys = "f3"
    argument = "[name]"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.models.open_screen(app.models.find(argument).name if argument else "")


class Unload(Command):
    name = "unload"
    title = "Free the memory now"
    help = "Unloads the model named, else all of them; an answer under way is never cut."
    keys = "f8"
    argument = "[model]"
    priority = True
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.models.unload(app.models.find(argument) if argument else None)


class Load(Command):
    name = "load"
    title = "Load a model"
    help = "Loads the model highlighted or named, beside those that are there if it fits."
    argument = "[model]"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.models.load(app.models.subject(argument))


class Pin(Command):
    name = "pin"
    title = "Pin the model, or no longer"
    help = "A pinned model is not unloaded for another one, nor when it is unused."
    argument = "[model]"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.models.pin(app.models.subject(argument))


class Favourite(Command):
    name = "favourite"
    title = "Make the model a favourite, or no longer"
    help = "Favourites come before other models that were not used lately."
    argument = "[model]"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        await app.models.favour(app.models.subject(argument))


class Tags(Command):
    name = "tags"
    title = "Tag the model"
    help = (
        "Sets what the chat's or the highlighted model is for, as `/tags code math`; without words it asks."
    )
    argument = "[words]"
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.ui.models.forms import ask_tags

        if not argument:
            ask_tags(app, app.models.subject())

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.ui.models.forms import split_tags

        if argument:
            await app.models.tag(app.models.subject(), split_tags(argument))


class Defaults(Command):
    name = "defaults"
    title = "The model's defaults"
    help = "Context, KV cache, GPU layers, sampling and system prompt that a model has from now on."
    argument = "[model]"
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.ui.models.forms import ask_defaults

        ask_defaults(app, app.models.subject(argument))


class DeleteModel(Command):
    name = "delete-model"
    title = "Delete the model"
    help = "Takes the file off this machine; it can be brought back until the bin is emptied."
    argument = "[model]"
    aliases = ("rm",)
    places = ANYWHERE

    def enabled(self, app: "KenshoApp") -> bool:
        return app.place == "models" and bool(app.models.highlighted)

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        """Which model is meant now: when the one named has gone, its name may be a part of another's."""
        if not argument and not app.models.highlighted:
            raise UsageError("say which model", hint="/delete-model NAME, or D on its row of /models")
        model = app.models.subject(argument)
        app.run_quietly(lambda: app.models.delete(model), "delete-model", exclusive=False)


class RestoreModel(Command):
    name = "restore-model"
    title = "Bring the deleted model back"
    help = "Undoes the last deletion of a model."
    places = ANYWHERE

    def enabled(self, app: "KenshoApp") -> bool:
        return app.models.can_restore

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.run_quietly(app.models.restore, "restore-model", exclusive=False)


class Pull(Command):
    name = "pull"
    title = "Download a model"
    help = (
        "Gets owner/name[:QUANT] from the hub, an address, a path or ollama:NAME; it goes on without the app."
    )
    argument = "what"
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        if not argument:
            app.models.open_hub()

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        if argument:
            await app.models.fetching.start(argument)


class Hub(Command):
    name = "hub"
    title = "Find a model on the hub"
    help = "Shows good small models without the network; with words it looks for them on the hub."
    keys = "f5"
    argument = "[words]"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.models.open_hub(argument)


class Downloads(Command):
    name = "downloads"
    title = "Downloads"
    help = "Shows what is on its way here, how far it is, and what went wrong."
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.models.open_downloads()
