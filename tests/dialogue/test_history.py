import pytest

from kensho_tui.core.contract import Message, Role, State, StopReason
from kensho_tui.core.frames import Turn
from kensho_tui.dialogue.history import turns_for


def _message(
    role: Role, content: str, state: State = "complete", reason: StopReason | None = None
) -> Message:
    return Message(
        id="m",
        parent_id=None,
        role=role,
        state=state,
        model=None,
        content=content,
        stop_reason=reason,
        error=None,
        created="2026-01-01T00:00:00.000Z",
    )


def test_the_path_becomes_turns_with_the_system_prompt_first() -> None:
    path = [_message("user", "a"), _message("assistant", "b", "stopped"), _message("user", "c")]
    assert turns_for(path, "be brief") == (
        Turn("system", "be brief"),
        Turn("user", "a"),
        Turn("assistant", "b"),
        Turn("user", "c"),
    )


def test_a_prompt_that_was_never_answered_is_left_out() -> None:
    path = [
        _message("user", "a"),
        _message("assistant", "", "failed"),
        _message("user", "b"),
        _message("assistant", "", "stopped"),
        _message("user", "c"),
    ]
    assert turns_for(path, None) == (Turn("user", "c"),)


@pytest.mark.parametrize(
    ("state", "reason", "can"),
    [
        ("complete", "end", False),
        ("complete", "stop_sequence", False),
        ("complete", "length", True),
        ("complete", "context", True),
        ("stopped", "abort", True),
        ("failed", "error", True),
        ("interrupted", None, True),
        ("streaming", None, False),
        ("queued", None, False),
    ],
)
def test_what_can_go_on(state: State, reason: StopReason | None, can: bool) -> None:
    assert _message("assistant", "text", state, reason).resumable is can
    assert not _message("user", "text", state, reason).resumable
