"""F1: every command with its key, its slash name and what it does."""

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingsMap, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from kensho_tui.ui.commands.registry import COMMANDS, key_label, split_keys
from kensho_tui.ui.lines import SplitLine, key_row, quiet

KEY_CELLS = 8
SLASHES = {command.name: f"/{command.name} {command.argument}".strip() for command in COMMANDS}
INDENT = KEY_CELLS + max(len(slash) for slash in SLASHES.values()) + 2
PROMPT_KEYS = (
    ("Enter", "sends; with a \\ before it, a new line"),
    ("^J", "a new line; Shift+Enter and Alt+Enter too, where the terminal sends them"),
    ("↑ ↓", "prompts sent before, from the first and last line"),
    ("Tab", "completes a /command; in an empty prompt it goes to the transcript"),
    ("PgUp PgDn", "scroll the transcript; End from the end of the text follows again"),
    ("//", "at the start: a prompt that begins with a slash"),
)
CHATS_KEYS = (
    ("letters", "search: every word is looked for, its letters in order"),
    ("↓ ↑", "to the list and back; letters go back as well"),
    ("Enter", "opens; the chats stay beside the transcript where there is room"),
    ("Esc Tab", "back to the prompt; Esc ends the search, Tab keeps it"),
)
SWITCHER_KEYS = (
    ("letters", "search names, quantisations and tags"),
    ("Enter", "switches; at once, without a search, to the model used before"),
    ("↓", "to the list: there p pins, u unloads, f makes a favourite, i shows details"),
)
MODELS_KEYS = (
    ("Enter", "uses the model in the chat"),
    ("l u p f", "load, unload, pin, favourite"),
    ("t d", "tags, defaults"),
    ("D z", "delete, and bring back what was deleted last"),
    ("[ ] k", "what another context or KV cache would take; w makes that the default"),
    ("x", "counts the memory exactly, with llama.cpp's own allocator"),
    ("/ s S", "filter, sort by the next column, sort the other way round"),
    ("1-4 Tab ← →", "the tabs: installed, running, hub, downloads; Space pages through the details"),
    ("F2 Esc", "back to the chat; Esc ends the filter first, and cancels a load begun with l"),
)
HUB_KEYS = (
    ("/", "to the search line: there Enter asks the hub, or fetches what was pasted"),
    ("Enter", "the files of a repository; on a file: downloads it, or uses it when it is here"),
    ("d", "downloads the file that is recommended"),
    ("s S m", "sorted by the hub another way, turned round, more of them"),
    ("r", "tries again"),
    ("Esc ⌫", "stops a wait, and goes one step back"),
)
DOWNLOADS_KEYS = (
    ("p", "pauses, and goes on"),
    ("c z", "cancels, and undoes that: what is here of it is kept"),
    ("x Del", "takes an ended one off the list, and what is here of an unfinished one"),
    ("Enter", "uses the model when it is here; goes on with what was paused, cancelled or failed"),
    ("o", "the files of the repository it comes from"),
)
METRICS_KEYS = (
    ("t", "graphs of two minutes, an hour, a day, thirty days; a column is the highest value of its time"),
    ("Enter Esc ⌫", "down from a model to its settings, its runs, the message; Esc and ⌫ go up again"),
    ("Space c", "mark a row, and compare the one highlighted with it"),
    ("p / s S", "another period, filter, sort by the next column, sort the other way round"),
    ("g e E r", "generations of the model whatever it ran with; write CSV, JSON; read again"),
    ("b", "benchmarks of a model, and back"),
    ("F2", "the chat"),
)
BENCH_KEYS = (
    ("r R", "measure the settings that matter most, or all of them"),
    ("x Esc", "stops it; what was measured is kept"),
    ("1 2 z", "use what is best on a shared or on a quiet machine, and undo that"),
    ("m o n", "another model; older and newer benchmarks"),
)
Section = tuple[str, tuple[tuple[str, str], ...]]
SECTIONS: tuple[tuple[str, Section], ...] = (
    ("chat", ("In the prompt", PROMPT_KEYS)),
    ("chat", ("In the chats", CHATS_KEYS)),
    ("chat", ("Switching the model", SWITCHER_KEYS)),
    ("models", ("In the models", MODELS_KEYS)),
    ("models", ("In the hub", HUB_KEYS)),
    ("models", ("In the downloads", DOWNLOADS_KEYS)),
    ("metrics", ("In the metrics", METRICS_KEYS)),
    ("metrics", ("In the benchmarks", BENCH_KEYS)),
)
"""Each with the place where its keys are."""


def help_text(keys_of: Callable[[str], str], width: int, place: str = "chat") -> Content:
    """Everything that can be done, from the registry alone, wrapped to `width` cells. Outside the chat, whose
    keys are mostly commands, the keys of the `place` one is in come first."""
    first = [section for where, section in SECTIONS if where == place != "chat"]
    others = [section for _, section in SECTIONS if section not in first]
    blocks = [*(_keys(*section, width) for section in first), _commands(keys_of, width)]
    blocks += [_keys(*section, width) for section in others]
    return Content("\n\n").join(Content("\n").join(lines) for lines in blocks)


def _commands(keys_of: Callable[[str], str], width: int) -> list[Content]:
    lines = [Content.styled("Commands", "$primary bold"), Content()]
    for command in COMMANDS:
        keys = " ".join(key_label(key) for key in split_keys(keys_of(command.name)))
        slash = f"{SLASHES[command.name]:<{INDENT - KEY_CELLS}}"
        title, *more = wrap(command.title, max(width - INDENT, 20))
        lines.append(Content.assemble((f"{keys:<{KEY_CELLS}}", "bold"), (slash, "$secondary"), title))
        lines += [Content(" " * INDENT + line) for line in more]
        lines += _hanging(command.help, INDENT if width > 3 * INDENT else 2, width)
    return lines


def _keys(heading: str, keys_there: Sequence[tuple[str, str]], width: int) -> list[Content]:
    lines = [Content.styled(heading, "$primary bold"), Content()]
    for key, does in keys_there:
        first, *rest = _hanging(does, 12, width)
        lines += [Content.assemble((f"{key:<12}", "bold"), first[12:]), *rest]
    return lines


def _hanging(text: str, indent: int, width: int) -> list[Content]:
    """Quiet lines of `text`, all of them indented."""
    return [quiet(" " * indent + line) for line in wrap(text, max(width - indent, 20))]


class HelpText(Static):
    """The text, wrapped anew when the width changes."""

    def __init__(self, keys_of: Callable[[str], str], place: str) -> None:
        super().__init__()
        self._keys_of = keys_of
        self._place = place

    def on_resize(self) -> None:
        self.update(help_text(self._keys_of, self.content_size.width, self._place))


class HelpScreen(ModalScreen[None]):
    """Scrolls with the usual keys; Esc, F1, q, ? and the key that opened it close it, and so do the keys of
    the `place` it lies over, which do there what it says of them."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,question_mark", "dismiss", show=False)]
    AUTO_FOCUS = "#help-text"
    GIVES_WAY = "help"
    """Keys of commands lead away from it, and the one of this command no further."""

    def __init__(
        self,
        keys_of: Callable[[str], str],
        notices: Sequence[str] = (),
        place: str = "chat",
        bindings: BindingsMap | None = None,
    ) -> None:
        super().__init__()
        self._keys_of = keys_of
        self._place = place
        to_chat = BindingsMap([Binding("f2", "app.to_chat", priority=True)] if place != "chat" else [])
        self._bindings = BindingsMap.merge([self._bindings, to_chat, bindings or BindingsMap()])
        self._notices = notices

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="tall"):
            close = key_row((("Esc", "close"),), 20)
            yield SplitLine(Content.styled("Help", "bold"), close, id="dialog-title")
            with VerticalScroll(id="help-text"):
                for notice in self._notices:
                    yield Static(f"! {notice}", markup=False, classes="notice")
                yield HelpText(self._keys_of, self._place)
