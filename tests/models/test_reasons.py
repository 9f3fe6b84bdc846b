import signal

import pytest

from kensho_tui.models.reasons import explain_exit, telling_line


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-signal.SIGKILL, "signal 9"),
        (-signal.SIGBUS, "changed or shrank"),
        (-signal.SIGABRT, "assertion"),
        (-signal.SIGUSR1, "SIGUSR1"),
        (-200, "signal 200"),
        (3, "status 3"),
        (None, "closed its link"),
    ],
)
def test_every_end_has_a_reason_and_a_hint(status: int | None, said: str) -> None:
    reason, hint = explain_exit(status, [])
    assert said in reason and hint


def test_llama_cpps_last_telling_line_is_quoted() -> None:
    tail = ["load: all fine", "error loading model: tensor data is not within bounds", "bye"]
    assert telling_line(tail) == tail[1]
    assert tail[1] in explain_exit(1, tail)[0]
    assert telling_line(["bye"]) == ""
