"""Chat templates: what models expect of them, and what strangers may try."""

import gc
import sys
import threading
import time

import pytest

from kensho_tui.core.frames import Turn
from kensho_tui.worker import template
from kensho_tui.worker.prompt import PromptWriter, plain
from kensho_tui.worker.template import ChatTemplate, TemplateAborted, TemplateError, fold

HELLO = (Turn("user", "hello"),)


def render(source: str, turns: tuple[Turn, ...] = HELLO) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(turns, lambda: False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] }}{{ eos_token }}{% endfor %}",
         "<s>[user]hello</s>"),
        ("{% for m in messages %}\n  {% if true %}\nx\n  {% endif %}\n{% endfor %}\n", "x\n"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ {'a': '<&>é'} | tojson }}", '{"a": "<&>é"}'),
        ("{{ {'a': [1]} | tojson(indent=1) }}", '{\n "a": [\n  1\n ]\n}'),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "hello"),
        ("{% if tools %}tools{% endif %}{% if add_generation_prompt %}go{% endif %}", "go"),
        ("{{ strftime_now('%%') }}", "%"),
        ("{{ '\\ud800' }}", "\ufffd"),
        ("{{ 3 * 4 }}{{ 'ab' * 2 }}{{ 2 ** 3 }}", "12abab8"),
    ],
)  # fmt: skip
def test_renders(source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("{% for %}", "failed"),
        ("{{ raise_exception('only poems') }}", "only poems"),
        ("{{ messages[9].content.x }}", "failed"),
        ("{{ ''.__class__.__mro__ }}", "failed"),
        ("{{ messages.append(1) }}", "failed"),
        ("{{ 'x' * 100000000000 }}", "too long"),
        ("{{ 10 ** 10 ** 10 }}", "too large"),
        ("{{ 1 / 0 }}", "division"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "failed"),
        ("x" * (template.MAX_SOURCE + 1), "larger than"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "wrote more than"),
    ],
)
def test_fails_clearly(source: str, part: str) -> None:
    with pytest.raises(TemplateError, match=part):
        render(source)


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


# Where the end comes while a library of the tests is told of a garbage collection, Python warns.
ends = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@ends
def test_an_endless_template_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "DEADLINE_S", 0.1)
    with pytest.raises(TemplateError, match="ran longer"):
        render(ENDLESS)


@ends
def test_an_endless_template_ends_with_the_abort() -> None:
    with pytest.raises(TemplateAborted):
        ChatTemplate(ENDLESS, "", "").render(HELLO, lambda: True)


def test_an_end_that_is_lost_in_a_callback_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[object] = []
    inside = threading.Event()
    monkeypatch.setattr(sys, "unraisablehook", lambda what: lost.append(what.exc_type))

    def collecting(phase: str, info: dict[str, int]) -> None:
        """Takes as long as it takes until the end has come here."""
        until = time.monotonic() + 5
        while threading.current_thread().name == "render" and not lost and time.monotonic() < until:
            inside.set()

    threshold = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(5)
    try:
        with pytest.raises(TemplateAborted):
            ChatTemplate(ENDLESS, "", "").render(HELLO, inside.is_set)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collecting)
    assert lost


def test_a_template_without_system_role_gets_the_system_text_in_the_first_prompt() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ m.role }}]{{ m.content }}{% endfor %}"
    )
    turns = (Turn("system", "be brief"), Turn("user", "one"), Turn("user", "two"), Turn("assistant", "ok"))
    assert render(source, turns) == "[user]be brief\n\none\n\ntwo[assistant]ok"
    assert render(source, turns[1:]) == "[user]one[user]two[assistant]ok"
    assert fold(turns[1:2]) == turns[1:2]


def test_plain_text_goes_on_with_the_answer_right_after_its_prompt() -> None:
    turns = (Turn("system", "S"), Turn("user", "a"), Turn("assistant", " b"), Turn("user", "c"))
    assert plain(turns) == "S\n\na b\n\nc"


def test_the_prompt_writer_adds_bos_once_and_the_prefix() -> None:
    never = lambda: False  # noqa: E731
    assert PromptWriter(None, "<s>").write(HELLO, " and", never) == b"<s>hello and"
    written = ChatTemplate("{{ bos_token }}x", "<s>", "")
    assert PromptWriter(written, "<s>").write(HELLO, "", never) == b"<s>x"
