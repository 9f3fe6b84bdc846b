"""The palette's source: the commands of the registry, nothing else."""

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from kensho_tui.ui.commands.base import Command
from kensho_tui.ui.commands.registry import COMMANDS, key_label

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class CommandProvider(Provider):
    """Offers every command that can do something now."""

    @property
    def _kensho(self) -> "KenshoApp":
        from kensho_tui.ui.app import KenshoApp

        assert isinstance(self.app, KenshoApp)  # noqa: S101 - for the type checker: there is no other app
        return self.app

    def _offered(self) -> list[Command]:
        app = self._kensho
        here = (command for command in COMMANDS if command.everywhere or app.place in command.places)
        return [command for command in here if command.name != "palette" and command.enabled(app)]

    def _help(self, command: Command) -> str:
        key = key_label(self._kensho.keys_of(command.name))
        return f"{key or '/' + command.name} · {command.help}"

    async def discover(self) -> Hits:
        for command in self._offered():
            run = partial(self._kensho.run_command, command)
            yield DiscoveryHit(Content(command.title), run, command.title, self._help(command))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._offered():
            score = max(matcher.match(command.title), matcher.match(command.name))
            if score > 0:
                run = partial(self._kensho.run_command, command)
                yield Hit(score, matcher.highlight(command.title), run, command.title, self._help(command))
