"""What a field of a settings file must be, in words. Pure."""

from typing import cast

from msgspec import Struct


def must_be(kind: type[Struct], name: str) -> str:
    """``sample_days must be a number from 0 to 3,650``."""
    from msgspec import inspect  # only where something is wrong

    fields = cast("inspect.StructType", inspect.type_info(kind)).fields
    return f"{name} must be {_words(next(one.type for one in fields if one.name == name))}"


def _words(kind: object) -> str:
    from msgspec import inspect

    said = 'text in quotes, as "text"'
    match kind:
        case inspect.BoolType():
            said = "true or false"
        case inspect.IntType(ge=least, le=most):
            said = f"a whole number{_bounds(least, most)}"
        case inspect.FloatType(ge=least, le=most):
            said = f"a number{_bounds(least, most)}"
        case inspect.LiteralType(values=values):
            *others, last = (f'"{value}"' for value in values)
            said = f"{', '.join(others)} or {last}"
        case inspect.CollectionType():
            said = 'a list of texts, as ["one", "another"]'
        case inspect.DictType():
            said = 'a table of texts, each as name = "text"'
    return said


def _bounds(least: float | None, most: float | None) -> str:
    low = "" if least is None else f"{least:,.0f}"
    high = "" if most is None else f"{most:,.0f}"
    if low and high:
        return f" from {low} to {high}"
    return f" of at least {low}" if low else f" of at most {high}" if high else ""
