"""Small forms: the tags of a model, and its defaults. What is typed becomes values in pure functions."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Region
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError, UsageError
from kensho_tui.core.model_contract import Defaults
from kensho_tui.core.text import one_line, valid
from kensho_tui.ui.keys import EarlyKeys, did_binding, done, handed_on
from kensho_tui.ui.lines import Notice, SplitLine, key_row, quiet
from kensho_tui.ui.models.rows import name_of

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

MAX_TAGS, MAX_TAG = 16, 32
MAX_TEMPLATE = 1 << 20
TEMPLATE_HINT = "Give a file with a Jinja template"
MAX_SYSTEM = 100_000
KEPT = "as it is set now"
KV_TYPES = ("f16", "q8_0", "q4_0")
SWITCH = {"on": True, "off": False}
GROUPED = re.compile(r"\d{1,3}(,\d{3})+")


class Field(NamedTuple):
    """One line of the form: a field of `Defaults`, what it is called, what may stand there."""

    name: str
    title: str
    says: str
    least: float = 0
    most: float = 0
    whole: bool = True


FIELDS = (
    Field("context", "Context", "tokens, as 8192", 64, 10_000_000),
    Field("kv_type", "KV cache", " or ".join(KV_TYPES)),
    Field("gpu_layers", "GPU layers", "-1 for all of them", -1, 10_000),
    Field("threads", "Threads", "that decode; 0 as many as pay", 0, 1024),
    Field("threads_batch", "Prefill threads", "that read the prompt", 1, 1024),
    Field("batch", "Batch", "tokens read at once, as 512", 16, 16_384),
    Field("flash", "Flash attention", "on or off"),
    Field("temperature", "Temperature", "0 always takes the likeliest token", 0, 5, whole=False),
    Field("top_k", "Top k", "0 looks at all tokens", 0, 1_000_000),
    Field("top_p", "Top p", "from 0 to 1", 0, 1, whole=False),
    Field("min_p", "Min p", "from 0 to 1", 0, 1, whole=False),
    Field("max_tokens", "Answer's tokens", "the most an answer may have", 1, 10_000_000),
)
KEEPS = "ctrl+s"
"""Keeps the form from any field, also from the one in which Enter adds a line."""
KEYS = (("Enter ^S", "keep"), ("Tab", "next"), ("Esc", "close"))
KEYS_OF_LINES = (("^S", "keep"), ("Enter", "new line"), ("Tab", "next"), ("Esc", "close"))


class FieldError(UsageError):
    """What was typed into this field of the form cannot be kept."""

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


def split_tags(text: str) -> tuple[str, ...]:
    """Words between blanks or commas, in lower case, each once. Raises `UsageError`."""
    words = dict.fromkeys(one_line(word, 200).casefold() for word in text.replace(",", " ").split())
    tags = tuple(word for word in words if word)
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in tags):
        raise UsageError(f"there may be {MAX_TAGS} tags of {MAX_TAG} letters at most")
    return tags


def number(field: Field, text: str) -> int | float | None:
    """What was typed into a field of numbers; None for nothing. Raises `FieldError`.

    A comma that groups no thousands may be a decimal one, and is refused.
    """
    text = text.strip()
    if not text:
        return None
    digits = text.replace(",", "") if GROUPED.fullmatch(text) else text
    try:
        value: int | float = int(digits) if field.whole else float(text)
    except ValueError:
        kind = "a whole number" if field.whole else "a number"
        said = f"{field.title}: {one_line(text, 20)!r} is not {kind}"
        raise FieldError(field.name, said, hint=field.says) from None
    if not field.least <= value <= field.most:  # NaN is in no range either
        said = f"{field.title} must be from {field.least:,} to {field.most:,}"
        raise FieldError(field.name, said, hint=field.says)
    return value


def one_of(field: Field, words: Sequence[str], text: str) -> str | None:
    """The word that was typed; None for nothing. Raises `FieldError`."""
    word = text.strip().lower()
    if word and word not in words:
        said = f"{field.title}: there is no {one_line(word, 20)!r}"
        raise FieldError(field.name, said, hint=f"one of {', '.join(words)}")
    return word or None


def shown(value: object) -> str:
    """What stands in the line of a default that is set to ``value``."""
    if isinstance(value, bool):
        return next(word for word, means in SWITCH.items() if means is value)
    return "" if value is None else f"{value}"


def defaults_of(typed: Mapping[str, str], before: Defaults) -> Defaults:
    """The defaults that the form says, of its texts by field. Raises `FieldError`."""
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.name == "kv_type":
            values["kv_type"] = one_of(field, KV_TYPES, typed["kv_type"])
        elif field.name == "flash":
            said = one_of(field, tuple(SWITCH), typed["flash"])
            values["flash"] = SWITCH[said] if said else None
        else:
            values[field.name] = number(field, typed[field.name])
    system = valid(typed["system"]).strip()
    if len(system) > MAX_SYSTEM:
        raise FieldError("system", f"the system prompt is longer than {MAX_SYSTEM:,} characters")
    values["system"] = system or None
    template = typed["template"].strip()
    values["template"] = before.template if template == KEPT else read_template(template)
    return msgspec.convert(values, Defaults)


def read_template(path: str) -> str | None:
    """The Jinja source in a file; None for no path. Raises `FieldError`."""
    if not path:
        return None
    try:
        with Path(path).expanduser().open("rb") as file:
            data = file.read(MAX_TEMPLATE + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError, ValueError, RuntimeError) as error:
        said = f"template: {one_line(str(error), 160)}"
        raise FieldError("template", said, hint=TEMPLATE_HINT) from None
    if len(data) > MAX_TEMPLATE or not text.strip():
        raise FieldError("template", "template: the file is empty or larger than 1 MiB", hint=TEMPLATE_HINT)
    return text


class Line(Input):
    """One field, quiet as the prompt is."""

    def __init__(self, value: str, says: str, name: str, submit: Callable[[], None]) -> None:
        super().__init__(value, placeholder=says, compact=True, name=name, select_on_focus=False)
        self._submit = submit
        self.cursor_blink = False

    async def action_submit(self) -> None:
        """Now: the next key is meant for what is seen then."""
        self._submit()

    async def on_key(self, event: events.Key) -> None:
        if handed_on(self, event) or kept(self._submit, event) or moved(self.screen, event):
            return
        await did_binding(self, event)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(one_line(event.text, 4000), *self.selection)


class Lines(TextArea):
    """A field of several lines; Tab leaves it."""

    def __init__(self, value: str, name: str, submit: Callable[[], None]) -> None:
        super().__init__(value, placeholder="none", compact=True, highlight_cursor_line=False, name=name)
        self._submit = submit
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        if handed_on(self, event) or kept(self._submit, event):
            return
        if not moved(self.screen, event, MOVES_BY_TAB):
            await did_binding(self, event)


MOVES_BY_TAB = {"tab": 1, "shift+tab": -1}
MOVES = {**MOVES_BY_TAB, "down": 1, "up": -1}


def moved(screen: Screen[Any], event: events.Key, moves: Mapping[str, int] = MOVES) -> bool:
    """Whether a key went to another field, now, so that the next key goes there."""
    step = moves.get(event.key)
    if step is None:
        return False
    done(event)
    if step > 0:
        screen.focus_next()
    else:
        screen.focus_previous()
    return True


def kept(submit: Callable[[], None], event: events.Key) -> bool:
    """Whether a key kept the form, now: the next one is meant for what is seen then."""
    if event.key != KEEPS:
        return False
    done(event)
    submit()
    return True


class TagsForm(EarlyKeys, ModalScreen[tuple[str, ...] | None]):
    """One line for the tags."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]
    HOLDS_WORDS = True

    def __init__(self, model: c.ModelInfo) -> None:
        super().__init__()
        self._model = model

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield SplitLine(Content.styled(f"Tags of {name_of(self._model)}", "bold"), id="dialog-title")
            yield Line(" ".join(self._model.tags), "dialogue code math …", "tags", self._submit)
            yield Notice(id="dialog-notice")
            yield SplitLine(key_row((("Enter", "keep"), ("Esc", "close")), 60), id="dialog-hint")

    def on_mount(self) -> None:
        self.take_keys(self.query_one(Line))

    def _submit(self) -> None:
        try:
            self.dismiss(split_tags(self.query_one(Line).value))
        except UsageError as error:
            self.query_one(Notice).say(f"✗ {error.message}", error.hint, "$error", seconds=0)

    def action_leave(self) -> None:
        self.dismiss(None)


class Rows(VerticalScroll, can_focus=False):
    """The fields. `resized` is called when they have less or more room."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__(id="form")
        self._resized = resized

    def on_resize(self) -> None:
        self._resized()

    def bring(self, field: Widget) -> None:
        """Scroll no further than it takes to see the field, or the line of it where the cursor is."""
        region = field.region
        if isinstance(field, TextArea) and region.height > self.size.height:
            region = Region(region.x, field.cursor_screen_offset.y, region.width, 1)
        self.scroll_to_region(
            region.translate(self.scroll_offset - self.scrollable_content_region.offset), animate=False
        )


class DefaultsForm(EarlyKeys, ModalScreen[Defaults | None]):
    """A line for each default; an empty one leaves it to the program."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]
    HOLDS_WORDS = True

    def __init__(self, app: "KenshoApp", model: c.ModelInfo) -> None:
        super().__init__()
        self._kensho = app
        self._model = model
        self._defaults = Defaults()
        self._system = Lines("", "system", self._submit)
        self._rows = Rows(self._field_into_sight)
        self._hint = SplitLine(id="dialog-hint")

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="tall"):
            yield SplitLine(
                Content.styled(f"Defaults of {name_of(self._model)}", "bold"),
                quiet("empty: the program decides"),
                id="dialog-title",
            )
            with self._rows:
                for field in FIELDS:
                    yield from _row(field.title, Line("", field.says, field.name, self._submit))
                yield from _row(
                    "Template file",
                    Line("", "a Jinja file in place of the model's own", "template", self._submit),
                )
                yield from _row("System prompt", self._system)
            yield Notice(id="dialog-notice")
            yield self._hint

    def on_mount(self) -> None:
        self._kensho.run_quietly(self._fill, "defaults-form")

    async def _fill(self) -> None:
        """What is set now; the keys wait for it."""
        try:
            self._defaults = (await self._kensho.models.details(self._model.name)).defaults
        except KenshoError:
            self.dismiss(None)
            raise
        if self.app.screen is not self:
            return
        for line in self.query(Line):
            value = getattr(self._defaults, line.name or "", None)
            text = (KEPT if value else "") if line.name == "template" else shown(value)
            line.value = text
            line.cursor_position = len(text)
        self._system.text = self._defaults.system or ""
        self.take_keys(self.query(Line).first())

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """The field is brought into sight here, without a ride, and its keys are told."""
        super().set_focus(widget, scroll_visible=False, from_app_focus=from_app_focus)
        self._hint.show(key_row(KEYS_OF_LINES if widget is self._system else KEYS, 70))
        self._field_into_sight()

    def on_text_area_changed(self) -> None:
        self._field_into_sight()

    def on_text_area_selection_changed(self) -> None:
        self._field_into_sight()

    def _field_into_sight(self) -> None:
        """The field that has the focus, once everything is where it will be."""

        def bring() -> None:
            if self.focused is not None and self.focused.is_attached:
                self._rows.bring(self.focused)

        self.call_after_refresh(bring)

    def _submit(self) -> None:
        """What was typed, or the field that cannot be kept, ready to be mended."""
        fields = {line.name or "": line for line in self.query(Line)}
        typed = {name: line.value for name, line in fields.items()}
        try:
            self.dismiss(defaults_of({**typed, "system": self._system.text}, self._defaults))
        except FieldError as error:
            self.query_one(Notice).say(f"✗ {error.message}", error.hint, "$error", seconds=0)
            self.set_focus(fields.get(error.field, self._system))

    def action_leave(self) -> None:
        self.dismiss(None)


def _row(title: str, widget: Line | TextArea) -> ComposeResult:
    with Horizontal(classes="field"):
        yield Static(title, classes="field-name", markup=False)
        yield widget


def ask_tags(app: "KenshoApp", model: c.ModelInfo) -> None:
    """Open the form now; what was typed into it is kept when it is left with Enter."""

    def typed(tags: tuple[str, ...] | None) -> None:
        if tags is not None:
            app.run_quietly(lambda: app.models.tag(model, tags), "tags")

    app.push_screen(TagsForm(model), typed)


def ask_defaults(app: "KenshoApp", model: c.ModelInfo) -> None:
    """As `ask_tags`, for its defaults."""

    def typed(defaults: Defaults | None) -> None:
        if defaults is not None:
            app.run_quietly(lambda: app.models.set_defaults(model, defaults), "defaults")

    app.push_screen(DefaultsForm(app, model), typed)
