"""What a person sets for a model counts in real answers, and what no longer fits is said."""

import json

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from tests.support.home import Home
from tests.support.turns import read_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

SMOL = "SmolLM2-135M-Instruct.Q4_1"


async def change(kensho: Kensho, **own: object) -> None:
    await kensho.call(m.CHANGE, m.ChangeModel(model=SMOL, defaults=m.Defaults(**own)))  # type: ignore[arg-type]


async def test_history_that_no_longer_fits_is_said(home: Home) -> None:
    async with Kensho(front_end=True) as kensho:
        await change(kensho, context=512, max_tokens=16, temperature=0.0)
        asked = await kensho.submit(c.Submit(prompt="Count: " + "one two three " * 100))
        _, first = await read_to_end(kensho, asked.stream)
        assert first.trimmed == 0 and first.usage is not None and first.usage.completion_tokens <= 16
        asked = await kensho.submit(c.Submit(prompt="And now: " + "four five six " * 100, chat=asked.chat))
        _, second = await read_to_end(kensho, asked.stream)
        assert second.trimmed > 0
        shown = await kensho.chat(asked.chat)
        assert shown.messages[-1].trimmed == second.trimmed
    done = home.run("ask", "--chat", asked.chat, "--json", "More: " + "seven eight nine " * 100)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["trimmed"] > 0 and "no longer fit" in done.stderr


async def test_a_system_prompt_and_a_template_of_ones_own(home: Home) -> None:
    template = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    async with Kensho(front_end=True) as kensho:
        await change(kensho, max_tokens=1)
        plain = await asked_tokens(kensho)
        await change(kensho, max_tokens=1, system="Answer like a sailor, and never say more than five words.")
        with_system = await asked_tokens(kensho)
        assert with_system != plain
        await change(kensho, max_tokens=1, template=template)
        await kensho.call(m.UNLOAD, m.Unload())
        bare = await asked_tokens(kensho)
        # The model's own template brings a system prompt and markers of its own.
        assert bare < plain


async def asked_tokens(kensho: Kensho) -> int:
    asked = await kensho.submit(c.Submit(prompt="Hello"))
    _, message = await read_to_end(kensho, asked.stream)
    assert message.state == "complete" and message.usage is not None, message.error
    return message.usage.prompt_tokens


async def test_a_broken_template_is_said_and_the_next_turn_works(home: Home) -> None:
    async with Kensho(front_end=True) as kensho:
        await change(kensho, template="{% for broken")
        asked = await kensho.submit(c.Submit(prompt="Hello"))
        _, message = await read_to_end(kensho, asked.stream)
        assert message.state == "failed" and "template" in (message.error or "")
        await change(kensho, max_tokens=2)
        asked = await kensho.submit(c.Submit(prompt="Hello", chat=asked.chat))
        _, message = await read_to_end(kensho, asked.stream)
        assert message.state == "complete"
