"""How checks are run: names, errors, time limits, order."""

import threading

import pytest

from kensho_tui.core.errors import StorageError
from kensho_tui.host.doctor.check import Finding, Probe, Surroundings, bad, good, run_checks


def _look(finding: Finding) -> "Probe":
    return Probe("look", lambda around: finding)


def _raising(error: Exception) -> Probe:
    def look(around: Surroundings) -> Finding:
        raise error

    return Probe("raises", look)


def test_all_well(around: Surroundings) -> None:
    names: list[str] = []
    document = run_checks([_look(good("fine", "advice")), _look(good("too"))], around, names.append)
    assert document.ok
    assert [(check.detail, check.fix) for check in document.checks] == [("fine", "advice"), ("too", "")]
    assert names == ["look", "look"]


def test_one_bad_one_is_enough(around: Surroundings) -> None:
    document = run_checks([_look(good("fine")), _look(bad("broken", "mend it"))], around)
    assert not document.ok
    assert document.checks[1].fix == "mend it"


@pytest.mark.parametrize(
    ("error", "detail", "fix"),
    [
        (StorageError("the disk is on fire", hint="Run"), "the disk is on fire", "Run"),
        (ZeroDivisionError("oh"), "the check itself failed: ZeroDivisionError: oh", "report"),
        (OSError(5, "Input/output error", "/x"), "Input/output error", "report"),
    ],
)
def test_what_a_check_raises_is_a_finding(
    around: Surroundings, error: Exception, detail: str, fix: str
) -> None:
    (check,) = run_checks([_raising(error)], around).checks
    assert not check.ok
    assert detail in check.detail
    assert fix in check.fix


def test_a_check_that_hangs_has_failed_and_the_others_run(around: Surroundings) -> None:
    release = threading.Event()

    def hang(around: Surroundings) -> Finding:
        release.wait(60)
        return good("late")

    document = run_checks([Probe("hangs", hang, 0.05), _look(good("fine"))], around)
    release.set()
    assert [check.ok for check in document.checks] == [False, True]
    assert "no answer within" in document.checks[0].detail
    assert document.checks[0].fix


def test_text_of_others_is_one_printable_line(around: Surroundings) -> None:
    (check,) = run_checks([_look(good("a\x1b[31mb\nc\x07" + "x" * 5000))], around).checks
    assert check.detail.startswith("ab c")
    assert len(check.detail) == 1000
