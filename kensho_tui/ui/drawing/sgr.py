"""Colours and attributes as a terminal takes them (SGR), and the shortest way from one to the next."""

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("blink", "5"),
    ("blink2", "6"),
    ("reverse", "7"),
    ("conceal", "8"),
    ("strike", "9"),
    ("underline2", "21"),
    ("frame", "51"),
    ("encircle", "52"),
    ("overline", "53"),
)
_BIT = {name: 1 << place for place, (name, _) in enumerate(_ATTRIBUTES)}
# One code switches all attributes of its mask off.
_OFF = (
    (_BIT["bold"] | _BIT["dim"], "22"),
    (_BIT["italic"], "23"),
    (_BIT["underline"] | _BIT["underline2"], "24"),
    (_BIT["blink"] | _BIT["blink2"], "25"),
    (_BIT["reverse"], "27"),
    (_BIT["conceal"], "28"),
    (_BIT["strike"], "29"),
    (_BIT["frame"] | _BIT["encircle"], "54"),
    (_BIT["overline"], "55"),
)
_MOST_STYLES = 4096

RESET = "\x1b[0m"


class Look(NamedTuple):
    """How a cell looks: attributes as bits in the order of SGR, colours as SGR codes ("" is the default)."""

    attributes: int = 0
    foreground: str = ""
    background: str = ""


PLAIN = Look()


class Palette:
    """Looks of Rich styles in one colour system. Equal looks are one object as long as the cache holds."""

    def __init__(self, system: ColorSystem = ColorSystem.TRUECOLOR) -> None:
        self._system = system
        # By identity: hashing and comparing styles costs more than all else here. Kept, no other gets its id.
        self._by_id: dict[int, tuple[Style, Look]] = {}
        self._looks: dict[Look, Look] = {PLAIN: PLAIN}

    def look(self, style: Style | None) -> Look:
        if style is None:
            return PLAIN
        known = self._by_id.get(id(style))
        return known[1] if known is not None else self._new(style)

    def _new(self, style: Style) -> Look:
        # Styles carry meta data, which makes any number of them; looks are few.
        if len(self._by_id) >= _MOST_STYLES:
            self._by_id.clear()
            self._looks = {PLAIN: PLAIN}
        look = self._make(style)
        look = self._looks.setdefault(look, look)
        self._by_id[id(style)] = style, look
        return look

    def _make(self, style: Style) -> Look:
        attributes = sum(bit for name, bit in _BIT.items() if getattr(style, name))
        return Look(attributes, self._code(style.color, True), self._code(style.bgcolor, False))

    def _code(self, color: Color | None, foreground: bool) -> str:
        if color is None or color.is_default:
            return ""
        return ";".join(color.downgrade(self._system).get_ansi_codes(foreground))


def _codes(attributes: int) -> list[str]:
    return [code for place, (_, code) in enumerate(_ATTRIBUTES) if attributes & (1 << place)]


@lru_cache(maxsize=4096)
def transition(old: Look | None, new: Look) -> str:
    """The escape sequence that turns the terminal's state `old` (None: unknown) into `new`."""
    fresh = ["0", *_codes(new.attributes), *filter(None, (new.foreground, new.background))]
    if old is None:
        return f"\x1b[{';'.join(fresh)}m"
    if old == new:
        return ""
    off, on = [], new.attributes & ~old.attributes
    for mask, code in _OFF:
        if old.attributes & ~new.attributes & mask:
            off.append(code)
            on |= new.attributes & mask
    changes = [*off, *_codes(on)]
    if old.foreground != new.foreground:
        changes.append(new.foreground or "39")
    if old.background != new.background:
        changes.append(new.background or "49")
    return f"\x1b[{min(';'.join(changes), ';'.join(fresh), key=len)}m"
