"""The app: themes, keys, commands, and the one screen there is. It owns no data."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import RenderableType
from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.command import Provider
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.text import one_line, printable
from kensho_tui.ui import themes
from kensho_tui.ui.chat_screen import ChatScreen
from kensho_tui.ui.commands import registry
from kensho_tui.ui.commands.base import Command
from kensho_tui.ui.drawing.display import Drawing, driver_class
from kensho_tui.ui.lines import QUIET, Notice
from kensho_tui.ui.session import Session
from kensho_tui.ui.status_bar import StatusBar, notices
from kensho_tui.ui.textual_fixes import keep_alt_enter
from kensho_tui.ui.textual_input import guard_input

if TYPE_CHECKING:
    from kensho_tui.ui.metrics.screen import MetricsScreen
    from kensho_tui.ui.models.actions import ModelActions
    from kensho_tui.ui.ports import Host

# Connecting and drawing the last chat hold the event loop for a moment; the prompt takes keys before that.
START_AFTER_S = 0.2
END_S = 3

NEWS_S = 20.0
"""How long it is said that a download ended: nobody waits at the screen for that."""

Kind = TypeVar("Kind", bound=Widget)
Work = Callable[[], Coroutine[None, None, None]]


def _commands() -> type[Provider]:
    from kensho_tui.ui.palette import CommandProvider

    return CommandProvider


def _now() -> datetime:
    return datetime.now(UTC)


class KenshoApp(App[None], inherit_bindings=False):
    """A view of what the host holds. `host` is the façade (or a stand-in); `now` the clock of dates."""

    CSS_PATH = Path(__file__).with_name("kensho.tcss")
    TITLE = "kensho"
    ENABLE_COMMAND_PALETTE = False
    COMMANDS = {_commands}  # noqa: RUF012 - Textual declares it so

    def __init__(
        self,
        host: "Host",
        paths: Paths,
        settings: Settings,
        problems: tuple[str, ...] = (),
        *,
        now: Callable[[], datetime] = _now,
    ) -> None:
        keep_alt_enter()
        guard_input()
        super().__init__(driver_class=driver_class())
        self.paths = paths
        self.settings = settings
        self.now = now
        self.drawing = Drawing(self, settings.drawing, self._note)
        self._keys, key_problems = registry.keymap(settings.keys)
        self.problems = (*problems, *key_problems, *self._take_theme(settings.theme))
        if os.environ.get("SSH_CONNECTION"):
            self.animation_level = "none"
        self._bindings = BindingsMap.merge([self._bindings, self._make_bindings(None)])
        self.chat_screen = ChatScreen(self)
        self.session = Session(host, self.chat_screen)
        self.answer_goes_on = False
        self.downloads_go_on = 0
        self.unsent = ""
        self._models: ModelActions | None = None
        self._metrics: MetricsScreen | None = None
        self._told: tuple[str, Callable[[], None]] | None = None
        """The download that was said last to be done, and what takes that back."""

    # --- start and end --------------------------------------------------------------------------------

    def get_default_screen(self) -> ChatScreen:
        return self.chat_screen

    def on_mount(self) -> None:
        self.call_after_refresh(self._start)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                loop.add_signal_handler(number, self._end_by_signal)

    def _end_by_signal(self) -> None:
        """Leave the terminal as it was. A line that is gone may block that, so the time for it is short."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(END_S)
        self.leave()

    def _start(self) -> None:
        self._work(self._connect, "session")

    async def _connect(self) -> None:
        # Not a timer of Textual's: one that comes later than it should, as on a busy machine, it skips.
        await asyncio.sleep(START_AFTER_S)
        await self.session.run()

    def leave(self) -> None:
        """End the app; the host goes on with what it does."""
        self.unsent = self.chat_screen.unsent()
        self.answer_goes_on = self.session.running() is not None
        if self.session.link == "connected":
            self.downloads_go_on = sum(one.active for one in self.session.downloads)
        self.exit()

    async def action_quit(self) -> None:
        self.leave()

    async def on_unmount(self) -> None:
        await self.session.host.close()

    @property
    def notices(self) -> list[str]:
        """Everything that should be known, in full."""
        return notices(self.session, self.problems)

    def _take_theme(self, wanted: str) -> list[str]:
        name = wanted
        theme = themes.named(name)
        known = theme is not None or name in self.available_themes
        if not known:
            name = themes.DEFAULT
            theme = themes.named(name)
        if theme is not None:
            self.register_theme(theme)
        self.theme = name
        return [] if known else [f"theme: there is no {wanted!r}; {themes.DEFAULT} is used"]

    def offer_themes(self) -> None:
        """Register every theme of ours: at start only the one in use is read."""
        for theme in themes.own_themes():
            self.register_theme(theme)

    # --- keys and commands ----------------------------------------------------------------------------

    def keys_of(self, name: str) -> str:
        """The keys of a command, with the settings' own applied."""
        return self._keys.get(name, "")

    def key_label(self, name: str) -> str:
        """The command's first key as people write it, else its slash name."""
        return registry.key_label(self.keys_of(name)) or f"/{name}"

    def screen_bindings(self, place: str) -> BindingsMap:
        return self._make_bindings(place)

    def _make_bindings(self, place: str | None) -> BindingsMap:
        """The keys of one screen; None: those that work over pickers and help, too."""
        bindings = [
            Binding(
                self._keys[command.name],
                f"app.command('{command.name}')",
                command.title,
                id=command.name,
                show=False,
                # A key of the settings is taken before the prompt, which has many of its own.
                priority=command.priority or command.name in self.settings.keys,
            )
            for command in registry.COMMANDS
            if command.everywhere == (place is None)
            and (place is None or place in command.places)
            and self._keys[command.name]
        ]
        return BindingsMap(bindings)

    @property
    def place(self) -> str:
        """The screen that is seen, behind whatever dialog: ``chat``, ``models`` or ``metrics``."""
        places = (getattr(screen, "PLACE", "") for screen in reversed(self.screen_stack))
        return next(filter(None, places), "chat")

    def to_chat(self) -> None:
        """Back to the chat, from whatever lies over it."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_to_chat(self) -> None:
        self.to_chat()

    def show_place(self, screen: Screen[Any]) -> None:
        """This screen over the chat, in the place of another one that lies there."""
        wanted = getattr(screen, "PLACE", "")
        if self.place != wanted:
            if self.place != "chat":
                self.to_chat()
            self.push_screen(screen)

    def action_command(self, name: str) -> None:
        closed = getattr(self.screen, "GIVES_WAY", "")
        if closed:
            self.pop_screen()
        if name != closed:
            self.run_command(registry.BY_NAME[name])

    def run_command(self, command: Command, argument: str = "") -> None:
        """Run it beside the app's own work; one of a kind at a time."""
        try:
            command.at_once(self, argument)
        except KenshoError as error:
            self.show_error(error)
            return
        self.run_quietly(lambda: command.run(self, argument), f"command-{command.name}")

    def run_quietly(self, work: Work, group: str, *, exclusive: bool = True) -> Worker[None]:
        """Run `work`. A `KenshoError` is shown, anything else logged and said.

        `exclusive`: it ends what of its `group` still runs.
        """

        async def guarded() -> None:
            await self._guarded(work)

        return self._work(guarded, group, exclusive=exclusive)

    def _work(self, work: Work, group: str, *, exclusive: bool = False) -> Worker[None]:
        # A function and not its coroutine: one that is ended before it begins, as by leaving at once, is
        # never made, so nobody is warned of it.
        return self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    async def _guarded(self, work: Work) -> None:
        try:
            await work()
        except KenshoError as error:
            self.show_error(error)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that ended in a way nobody expected is logged and said."""
        error = event.worker.error
        if event.state is not WorkerState.ERROR or error is None:
            return
        self._note(f"the app's part {event.worker.group!r} failed", error)
        self.show_error(
            KenshoError(
                f"the app made a mistake ({type(error).__name__})", hint=f"See {self.paths.logs / 'app.log'}"
            )
        )

    def _note(self, what: str, error: BaseException) -> None:
        from kensho_tui.ui.log import note

        note(self.paths.logs, what, error)

    # --- what is said -----------------------------------------------------------------------------------

    def say(
        self, what: str, then: str = "", style: str = QUIET, *, seconds: float = 6.0, news: bool = False
    ) -> Callable[[], None]:
        """Say something where it is seen: on the uppermost screen that has a place for it. Returns what takes
        it back."""
        for notice in self._uppermost(Notice):
            return notice.say(what, then, style, seconds=seconds, news=news)
        return lambda: None

    def _uppermost(self, kind: type[Kind]) -> list[Kind]:
        """The widget of this kind on the uppermost screen that has one, if any has."""
        for screen in reversed(self.screen_stack):
            found = screen.query(kind).results()
            first = next(found, None)
            if first is not None:
                return [first]
        return []

    def show_error(self, error: KenshoError) -> None:
        """It stays until somebody does something else."""
        self.say(f"✗ {one_line(error.message, 400)}", one_line(error.hint, 400), "$error", seconds=0)

    def show_downloads(self) -> None:
        """They went on: a row of the screen that is seen, and what is to be said of those that ended."""
        for bar in self._uppermost(StatusBar):
            bar.renew()
        self.tell_news()

    def tell_news(self) -> None:
        """Say which downloads have ended, once. It covers no error, and is in the status bar all the same."""
        done, failed = self.session.arrivals.news(self.session.models)
        for used in self.session.arrivals.used(self.session.models or ()):
            self.models.fetching.seen(used)
        if not done and not failed:
            return
        from kensho_tui.ui import tray

        if failed:
            said, style = (
                tray.failed_words(failed, self.key_label("downloads"), 2 * self.size.width - 10),
                "$error",
            )
        else:
            said, style = tray.done_words(done, self.key_label("use")), "$success"
        if not any(notice.holds for notice in self._uppermost(Notice)):
            taken_back = self.say(*said, style, seconds=NEWS_S, news=True)
            self._told = (done[-1].id, taken_back) if done and not failed else None
        for bar in self._uppermost(StatusBar):
            bar.renew()

    def forget_news(self, download: str) -> None:
        """Its model is used: it is offered no more, and what was said of it goes."""
        self.session.arrivals.forget(download)
        if self._told is not None and self._told[0] == download:
            self._told[1]()
        for bar in self._uppermost(StatusBar):
            bar.renew()

    # --- drawing --------------------------------------------------------------------------------------

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Every update of the screen comes through here."""
        if self.drawing.take(renderable):
            self.post_display_hook()
        else:
            super()._display(screen, renderable)

    def on_resize(self, event: Resize) -> None:
        self.drawing.resized(*event.size)

    # --- what commands open ---------------------------------------------------------------------------

    @property
    def models(self) -> "ModelActions":
        """What can be done with models; made when it is wanted first."""
        if self._models is None:
            from kensho_tui.ui.models.actions import ModelActions

            self._models = ModelActions(self)
        return self._models

    def open_metrics(self) -> "MetricsScreen":
        """The metrics screen; made when it is wanted first."""
        from kensho_tui.ui.metrics.screen import MetricsScreen

        if self._metrics is None:
            self._metrics = MetricsScreen(self)
            self.install_screen(self._metrics, "metrics")
        self.show_place(self._metrics)
        return self._metrics

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="Find a command"))

    async def pick_theme(self) -> None:
        """Let a person choose; the theme lasts until the app ends."""
        from kensho_tui.ui.choices import theme_choices
        from kensho_tui.ui.picker import Picker

        picker = Picker("Themes", theme_choices(self.available_themes, self.theme), chosen=self.theme)
        chosen = await self.push_screen_wait(picker)
        if chosen is not None:
            self.theme = chosen


def run(paths: Paths, settings: Settings, problems: tuple[str, ...] = ()) -> int:
    """Run the app until it is left. Returns the exit code of the command line."""
    from kensho_tui.client.facade import Kensho

    app = KenshoApp(Kensho(paths, front_end=True), paths, settings, problems)
    app.run()
    if app.answer_goes_on:
        print("The answer goes on without the app; it is there when you come back.")  # noqa: T201
    if app.downloads_go_on:
        many = app.downloads_go_on > 1
        goes = f"{app.downloads_go_on} downloads go on" if many else "A download goes on"
        shows = f"kensho-tui host status shows {'them' if many else 'it'}"
        print(f"{goes} in the background; {shows}.")  # noqa: T201
    if app.unsent:
        print(f"Not sent:\n{printable(app.unsent)}")  # noqa: T201
    return app.return_code or 0
