import pytest

from kensho_tui.core import errors


def test_every_error_crosses_the_bus() -> None:
    for kind in (errors.NotFoundError, errors.DiskFullError, errors.WorkerDiedError, errors.HostGoneError):
        again = errors.from_code(kind.code, "what", "do")
        assert type(again) is kind and (again.message, again.hint) == ("what", "do")


def test_a_code_of_a_newer_peer_is_a_plain_error() -> None:
    assert type(errors.from_code("from_the_future", "what")) is errors.KenshoError


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.KenshoError, 1),
        (errors.StorageError, 1),
        (errors.HostBusyError, 1),
        (errors.UsageError, 2),
        (errors.NotFoundError, 3),
        (errors.LoadError, 4),
        (errors.ContextError, 4),
    ],
)
def test_exit_codes(kind: type[errors.KenshoError], status: int) -> None:
    assert kind("x").exit_code == status


def test_the_line_is_one_line() -> None:
    assert errors.KenshoError("broken\nthing", hint="mend it").line() == "broken thing. mend it"


def test_an_error_that_a_room_refines_for_itself_is_not_what_crosses_the_bus() -> None:
    class AFieldError(errors.UsageError):
        def __init__(self, field: str, message: str) -> None:
            super().__init__(message)
            self.field = field

    again = errors.from_code(AFieldError.code, "what", "do")
    assert type(again) is errors.UsageError
    assert (again.message, again.hint) == ("what", "do")
