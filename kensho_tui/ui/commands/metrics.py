"""Commands about what this machine does. What they do is imported when one is given."""

from typing import TYPE_CHECKING

from kensho_tui.ui.commands.base import ANYWHERE, Command

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class Metrics(Command):
    name = "metrics"
    title = "Metrics"
    help = "Shows what this machine and its models do now, and what they did: speeds, memory, times."
    keys = "f4"
    priority = True
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        app.open_metrics()


class Bench(Command):
    name = "bench"
    title = "Benchmarks of the model"
    help = "Measures how fast a model is with other settings, and makes the best ones its defaults."
    argument = "[model]"
    places = ANYWHERE

    def at_once(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.ui.metrics.screen import MetricsScreen

        seen = next((one for one in app.screen_stack if isinstance(one, MetricsScreen)), None)
        model = app.models.subject(argument or (seen.chosen if seen is not None else "")).name
        app.open_metrics().open_bench(model)
