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
