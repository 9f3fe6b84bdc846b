"""The command about a download that has ended. What it does is imported when it is given."""

from typing import TYPE_CHECKING

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.ui.arrivals import model_of
from kensho_tui.ui.commands.base import ANYWHERE, Command

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download
    from kensho_tui.ui.app import KenshoApp


class Use(Command):
    name = "use"
    title = "Use the model that has just arrived"
    help = "Lets the model whose download ended last answer in the open chat, from the next prompt on."
    keys = "f7"
    priority = True
    everywhere = True
    places = ANYWHERE

    def enabled(self, app: "KenshoApp") -> bool:
        return app.session.arrived is not None

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        arrived = app.session.arrived
        if arrived is None:
            hint = f"{app.key_label('model')} switches to any model of this machine"
            raise UsageError("no model has arrived that was not used yet", hint=hint)
        if getattr(app.screen, "HOLDS_WORDS", False):
            raise UsageError("what is typed here comes first", hint="Enter keeps it, Esc drops it")
        if not _use(app, arrived):
            app.run_quietly(lambda: _use_once_listed(app, arrived), "use")


def _use(app: "KenshoApp", arrived: "Download") -> bool:
    """False: the models were listed before it came."""
    model = model_of(arrived, app.session.models or ())
    if model is None:
        return False
    app.models.use(model)
    return True


async def _use_once_listed(app: "KenshoApp", arrived: "Download") -> None:
    await app.session.renew_models()
    if not _use(app, arrived):
        app.forget_news(arrived.id)
        raise NotFoundError(f"{arrived.model} is no longer on this machine")
