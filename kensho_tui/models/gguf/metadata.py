"""A header's metadata by type: what is missing has a default, what is of the wrong type is an error."""

import re
from math import isfinite

from kensho_tui.core.errors import LoadError
from kensho_tui.core.text import one_line
from kensho_tui.models.gguf.cursor import DOWNLOAD_AGAIN
from kensho_tui.models.gguf.reader import Header, Skipped, Value

MAX_NUMBER = 1 << 31
_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Metadata:
    """``key`` below is one of the architecture's own, without its prefix. All raise `LoadError`."""

    def __init__(self, header: Header) -> None:
        self._name = header.name
        self._values = header.metadata
        self.architecture = self.text("general.architecture")
        if not _ARCHITECTURE.fullmatch(self.architecture):
            raise self.bad(
                "it does not name its architecture" + (" as it should" if self.architecture else "")
            )

    def bad(self, what: str, hint: str = DOWNLOAD_AGAIN) -> LoadError:
        return LoadError(f"{self._name}: {what}", hint=hint)

    def _whole(self, key: str) -> str:
        return f"{self.architecture}.{key}"

    def get(self, key: str) -> Value | None:
        return self._values.get(self._whole(key))

    def has(self, prefix: str) -> bool:
        """Whether any of the architecture's keys begins with ``prefix``."""
        return any(key.startswith(self._whole(prefix)) for key in self._values)

    def text(self, key: str, limit: int = 200) -> str:
        """One line of a general key; empty where there is none."""
        value = self._values.get(key, "")
        if not isinstance(value, str):
            raise self.bad(f"{key} is not a text")
        return one_line(value, limit)

    def template(self) -> str | None:
        value = self._values.get("tokenizer.chat_template")
        if isinstance(value, Skipped):
            raise self.bad(f"its chat template is {value.length:,} bytes long", "It can be no real template")
        if value is not None and not isinstance(value, str):
            raise self.bad("tokenizer.chat_template is not a text")
        return value

    def general(self, key: str) -> int:
        """A number under a key that is not the architecture's; -1 where there is none."""
        value = self._values.get(key)
        return -1 if value is None else self._checked(key, value)

    def _checked(self, whole: str, value: Value) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.bad(f"{whole} is not a whole number")
        if not 0 <= value < MAX_NUMBER:
            raise self.bad(f"{whole} cannot be {value:,}")
        return value

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; of an array (one for each layer) the largest."""
        value = self.get(key)
        if isinstance(value, tuple):
            return max((self._checked(self._whole(key), item) for item in value), default=default)
        return default if value is None else self._checked(self._whole(key), value)

    def maybe(self, key: str) -> int | None:
        """None where the key is missing; of an array the largest."""
        return None if self.get(key) is None else self.number(key)

    def real(self, key: str) -> float:
        value = self.get(key)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.bad(f"{self._whole(key)} is not a number")
        return float(value)

    def line(self, key: str) -> str:
        return self.text(self._whole(key))

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.bad(f"{self._whole(key)} is neither true nor false")
        return default if value is None else value

    def per_layer(self, key: str, layers: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """A number for each layer: one for all of them, or an array that may be longer but not shorter."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, tuple):
            return (self._checked(self._whole(key), value),) * layers
        if len(value) < layers:
            raise self.bad(f"{self._whole(key)} has {len(value)} entries for {layers} blocks")
        return tuple(self._checked(self._whole(key), item) for item in value[:layers])

    def pattern(self, key: str) -> int | tuple[bool, ...] | None:
        """A period, or one entry for each layer."""
        value = self.get(key)
        if isinstance(value, tuple):
            return tuple(bool(item) for item in value)
        return None if value is None else self._checked(self._whole(key), value)

    def count(self, key: str) -> int:
        """How many items an array under a general key has; 0 where there is none."""
        value = self._values.get(key)
        if isinstance(value, Skipped):
            return value.length
        if value is not None and not isinstance(value, tuple):
            raise self.bad(f"{key} is not an array")
        return len(value or ())
