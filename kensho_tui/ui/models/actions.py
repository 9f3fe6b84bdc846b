"""What can be done with models: each is a call of the host, and what is said of it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.core.model_contract import (
    CHANGE,
    DELETE,
    DETAILS,
    RESTORE,
    UNLOAD,
    ChangeModel,
    Defaults,
    Deleted,
    Details,
    ModelRef,
    RestoreModel,
    Unload,
    Unloaded,
)
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.models.fetching import Fetching
from kensho_tui.ui.models.rows import name_of, names
from kensho_tui.ui.models.switching import cancel_load, switch, was_cancelled

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp, Work
    from kensho_tui.ui.models.screen import ModelsScreen

SAID_S = 30.0
"""How long it is said that a deletion can be undone; it can be after that, too."""
ANYWAY, UNLOAD_FIRST = "anyway", "unload"


class ModelActions:
    """Every method may raise a `KenshoError`. Names are whole, or parts that mean one model."""

    def __init__(self, app: "KenshoApp") -> None:
        self._app = app
        self._deleted: list[Deleted] = []
        self._ever_deleted = False
        self._one_by_one = asyncio.Lock()
        """Deleting and bringing back, in the order of the keys."""
        self._loading = ""
        self._screen: ModelsScreen | None = None
        self.fetching = Fetching(app)
        """What can be done with downloads."""

    # --- which model ----------------------------------------------------------------------------------

    def find(self, reference: str) -> c.ModelInfo:
        """The model with this name, or the only one that has it as a part, or that the letters fit best."""
        return meant(reference, self._app.session.models or ())

    def subject(self, argument: str = "") -> c.ModelInfo:
        """The model a command is about: the one named, the one highlighted, else the one of the chat."""
        if argument:
            return self.find(argument)
        name = self.highlighted or self._app.session.model
        if name is None:
            raise NotFoundError("there is no model yet", hint="/hub shows good ones")
        return self.find(name)

    @property
    def highlighted(self) -> str:
        """The model that the highlighted row of the models screen stands for; empty: there is none."""
        return self._screen.highlighted if self._screen is not None and self._on_screen else ""

    @property
    def _on_screen(self) -> bool:
        return self._app.place == "models"

    # --- screens and dialogs --------------------------------------------------------------------------

    def open_switcher(self) -> None:
        """At once, so that the next key goes there."""
        from kensho_tui.ui.models.switcher import Switcher

        if not isinstance(self._app.screen, Switcher):
            self._app.push_screen(Switcher(self._app))

    def open_screen(self, model: str = "") -> None:
        """The models screen; with the row of this model highlighted, among all that are installed."""
        screen = self._made_screen()
        if model:
            screen.open("Installed", model)
        self._show(screen)

    def open_hub(self, words: str = "") -> None:
        """The hub's tab; with `words` it looks for them, or opens the repository that they name."""
        screen = self._made_screen()
        screen.open_hub(words)
        self._show(screen)

    def open_downloads(self, download: str = "") -> None:
        """The tab of downloads; with the row of this one highlighted, by its id."""
        screen = self._made_screen()
        screen.open("Downloads", download)
        self._show(screen)

    def _made_screen(self) -> "ModelsScreen":
        from kensho_tui.ui.models.screen import ModelsScreen

        if self._screen is None:
            self._screen = ModelsScreen(self._app)
            self._app.install_screen(self._screen, "models")
        return self._screen

    def _show(self, screen: "ModelsScreen") -> None:
        self._app.show_place(screen)

    # --- choosing -------------------------------------------------------------------------------------

    def use(self, model: c.ModelInfo) -> None:
        """Let it answer in the open chat, or offer what would make it fit. Where the next key goes is decided
        when this returns."""
        if model.problem:
            raise UsageError(f"{model.name} cannot be used: {model.problem}")
        found = model.verdict
        if found is not None and found.kind == "too large":
            self._offer(model, found)
        else:
            self._answers(model)

    def _answers(self, model: c.ModelInfo, first: "Work | None" = None, *, anyway: bool = False) -> None:
        """`model` answers from here on, once `first` is done."""
        self._app.to_chat()
        self.fetching.used(model)

        async def work() -> None:
            if first is not None:
                await first()
            if not self._app.session.progress:
                self._say_switch(model)
            await switch(self._app.session, model.name, anyway=anyway)

        self._app.run_quietly(work, "switch")

    def _say_switch(self, model: c.ModelInfo) -> None:
        before = self._app.session.model
        if before == model.name:
            return
        found = model.verdict
        goes = names(found.unload) if found is not None and found.kind == "after" else ""
        key = self._app.key_label("model")
        then = f"{goes} makes room for it" if goes else f"{key} Enter goes back"
        self._app.say(f"{name_of(model)} answers from here on", then)

    def _offer(self, model: c.ModelInfo, found: c.Verdict) -> None:
        """What would make it fit, to pick from."""
        from kensho_tui.ui.picker import Picker

        busy, idle = self._in_the_way(found)
        said = f"{names(busy)} {'answer' if len(busy) > 1 else 'answers'} now and cannot go" if busy else ""

        def picked(taken: str) -> None:
            if taken == ANYWAY:
                self._answers(model, anyway=True)
            elif taken == UNLOAD_FIRST:
                self._answers(model, lambda: self._make_way(idle))
            else:
                self._answers(model, lambda: self._apply(model, found.remedies[int(taken)]))

        free = f"{fmt.size(max(found.free, 0))} of {found.memory} are free"
        title = f"{name_of(model)} needs {fmt.size(found.need)}, {free}"
        self._app.push_screen(Picker(title, _ways(found, idle), note=said, taken=picked))

    def _in_the_way(self, found: c.Verdict) -> tuple[list[str], list[str]]:
        """Of the models in the way: those that answer now, and those that are only pinned."""
        status = self._app.session.status
        workers = status.workers if status is not None else ()
        busy = [
            worker.model for worker in workers if worker.state == "busy" and worker.model in found.blocked
        ]
        return busy, [name for name in found.blocked if name not in busy]

    async def _make_way(self, models: list[str]) -> None:
        for name in models:
            await self._app.session.host.call(UNLOAD, Unload(model=name))

    async def _apply(self, model: c.ModelInfo, remedy: c.Remedy) -> None:
        wanted: dict[str, Any] = {
            "context": remedy.context,
            "kv_type": remedy.kv_type,
            "gpu_layers": remedy.gpu_layers,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        details = await self.details(model.name)
        await self.set_defaults(model, replace(details.defaults, **changes))

    # --- changing -------------------------------------------------------------------------------------

    async def details(self, model: str) -> Details:
        return await self._app.session.host.call(DETAILS, ModelRef(model=model))

    async def set_defaults(self, model: c.ModelInfo, defaults: Defaults, said: str = "") -> None:
        """They replace all defaults it had; `said` is said of it then."""
        await self._change(ChangeModel(model=model.name, defaults=defaults))
        self._app.say(said or f"The defaults of {name_of(model)} are kept", "they hold from its next load on")

    async def pin(self, model: c.ModelInfo) -> None:
        changed = await self._change(ChangeModel(model=model.name, pinned=not model.pinned))
        name = name_of(model)
        if changed.pinned:
            self._app.say(
                f"◆ {name} is pinned", "it is not unloaded for another model, nor when it is unused"
            )
        else:
            self._app.say(f"{name} is pinned no longer")

    async def favour(self, model: c.ModelInfo) -> None:
        changed = await self._change(ChangeModel(model=model.name, favourite=not model.favourite))
        self._app.say(
            f"★ {name_of(model)} is a favourite"
            if changed.favourite
            else f"{name_of(model)} is none any more"
        )

    async def tag(self, model: c.ModelInfo, tags: tuple[str, ...]) -> None:
        changed = await self._change(ChangeModel(model=model.name, tags=tags))
        said = f"has the tags {', '.join(changed.tags)}" if changed.tags else "has no tags"
        self._app.say(f"{name_of(model)} {one_line(said, 120)}")

    async def _change(self, request: ChangeModel) -> c.ModelInfo:
        changed = await self._app.session.host.call(CHANGE, request)
        await self._app.session.renew_models()
        return changed

    # --- memory ---------------------------------------------------------------------------------------

    async def load(self, model: c.ModelInfo) -> None:
        """Load it without choosing it for the chat."""
        if model.problem:
            raise UsageError(f"{model.name} cannot be used: {model.problem}")
        session = self._app.session
        self._loading = model.name
        session.cancelled.discard(model.name)
        session.tell()
        try:
            await session.host.prepare(c.Prepare(model=model.name, switch=True))
        except KenshoError:
            if was_cancelled(session, model.name):
                return
            raise
        finally:
            self._loading = ""
            session.tell()
        self._app.say(f"{name_of(model)} is loaded", style="$success")
        await session.renew_models()

    @property
    def loading(self) -> str:
        """The name of the model whose load was asked for here and is under way; empty: none is."""
        return self._loading

    async def cancel(self) -> None:
        """End that load."""
        model = self._loading
        if model:
            await cancel_load(self._app.session, model)
            self._app.say(f"The load of {one_line(model, 60)} is cancelled")

    async def unload(self, model: c.ModelInfo | None) -> None:
        """Free its memory now, or that of all; what answers just now is left alone, and said."""
        freed = await self._app.session.host.call(
            UNLOAD, Unload(model=model.name if model is not None else None)
        )
        self._app.say(*unloaded_words(freed, model, self._app.key_label))
        await self._app.session.renew_models()

    # --- deleting -------------------------------------------------------------------------------------

    async def delete(self, model: c.ModelInfo) -> None:
        if not model.removable:
            hint = "Only models in the models folder are; this one lies at " + model.path
            raise UsageError(f"the file of {model.name} is not ours to delete", hint=hint)
        async with self._one_by_one:
            if all(known.path != model.path for known in self._app.session.models or ()):
                raise NotFoundError(f"{model.name} is deleted already")
            deleted = await self._app.session.host.call(DELETE, ModelRef(model=model.name))
            self._deleted.append(deleted)
            self._ever_deleted = True
            key = "z" if self._on_screen else f"/{RESTORE_COMMAND}"
            self._app.say(
                f"{name_of(model)} is deleted ({fmt.size(deleted.size)})",
                f"{key} brings it back",
                "$warning",
                seconds=SAID_S,
            )
            await self._app.session.renew_models()

    @property
    def can_restore(self) -> bool:
        return bool(self._deleted)

    async def restore(self) -> None:
        """Bring the model back that was deleted last."""
        async with self._one_by_one:
            if not self._deleted:
                known = "all that was deleted here is back" if self._ever_deleted else NOTHING_DELETED
                raise UsageError(known)
            last = self._deleted[-1]
            model = await self._app.session.host.call(RESTORE, RestoreModel(last.token))
            self._deleted.remove(last)
            self._app.say(f"{name_of(model)} is back")
            await self._app.session.renew_models()


NOTHING_DELETED = "no model was deleted since the app started"
RESTORE_COMMAND = "restore-model"


def _ways(found: c.Verdict, idle: list[str]) -> list[Choice]:
    """What would make a model fit, and to try without."""
    ways = [
        Choice(str(at), one_line(remedy.what, 120), "kept as its default")
        for at, remedy in enumerate(found.remedies)
    ]
    if idle:
        pinned = "they are pinned" if len(idle) > 1 else "it is pinned"
        ways.append(Choice(UNLOAD_FIRST, f"Unload {names(idle)}", f"{pinned}"))
    return [*ways, Choice(ANYWAY, "Load it anyway", "it may fail", mark="!", mark_style="$warning")]


def meant(reference: str, models: tuple[c.ModelInfo, ...]) -> c.ModelInfo:
    """By name, by a part of one name only, else the best fuzzy match when it is the only best one."""
    wanted = reference.casefold()
    found = [model for model in models if model.name.casefold() == wanted]
    found = found or [model for model in models if wanted in model.name.casefold()]
    if not found:
        found = _best(reference, models)
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(name_of(model) for model in found[:5])
        raise NotFoundError(f"{len(found)} models match {reference!r}: {some}", hint="Give more of the name")
    raise NotFoundError(f"there is no model {reference!r}", hint="/models lists those of this machine")


def _best(reference: str, models: tuple[c.ModelInfo, ...]) -> list[c.ModelInfo]:
    query = Query(reference)
    scored = [(match.score, model) for model in models if (match := query.match(model.name)) is not None]
    best = max((score for score, _ in scored), default=0.0)
    return [model for score, model in scored if score == best]


def unloaded_words(
    done: Unloaded, asked: c.ModelInfo | None, key: Callable[[str], str]
) -> tuple[str, str, str]:
    """What is said after an unload: what has gone, what stays, and in which style. `key` of a command."""
    doing = "answer just now and stay" if len(done.busy) > 1 else "answers just now and stays"
    end = "stop the answer first"
    if done.bench:
        doing, end = "is in a benchmark and stays", fmt.bench_stops(key)
    busy = f"{names(done.busy)} {doing}" if done.busy else ""
    if done.models:
        freed = f", {fmt.size(done.freed)} are free again" if done.freed else ""
        return f"{names(done.models)} unloaded{freed}", busy, "$success"
    if busy:
        return busy, end, "$warning"
    what = f"{name_of(asked)} is not loaded" if asked is not None else "No model is loaded"
    return what, "", "$foreground 55%"
