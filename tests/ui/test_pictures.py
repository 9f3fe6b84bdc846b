"""Pictures of the screens that matter, compared cell by cell. Update them with `--snapshot-update`."""

from collections.abc import Awaitable, Callable

from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.ui.app import KenshoApp
from tests.ui.conftest import app_of, shown, until
from tests.ui.fake_host import FakeHost, worker
from tests.ui.test_chat import only_stream

Compare = Callable[..., bool]
Make = Callable[..., KenshoApp]
Act = Callable[[Pilot[None]], Awaitable[None]]

ANSWER = """A **REST API** is an interface that lets programs exchange data over HTTP, with resources named by
URLs and the verbs `GET`, `POST`, `PUT` and `DELETE`.

```python
def item(number: int) -> dict:
    return requests.get(f"https://example.org/items/{number}").json()
```

1. Each request carries all the state it needs.
2. The server keeps none.
"""


def with_chats(host: FakeHost) -> None:
    days = (("Trip to Kyoto", 16), ("Rust lifetimes", 19), ("Why is the sky blue?", 20))
    for title, day in days:
        messages = host.message("user", title), host.message("assistant", "An answer.")
        host.add_chat(title, *messages, updated=f"2026-11-{day}T08:00:00+00:00")


def with_answer(host: FakeHost) -> None:
    with_chats(host)
    usage = c.Usage(prompt_tokens=800, completion_tokens=700)
    timings = c.Timings(ttft_s=0.034, decode_tok_s=148)
    answer = host.message("assistant", ANSWER, usage=usage, timings=timings)
    host.add_chat("REST in two sentences", host.message("user", "What is a REST API?"), answer)


def frozen(app: KenshoApp) -> KenshoApp:
    """Without this, seconds and speeds would differ from run to run."""
    app.session.clock = lambda: 0.0
    return app


def at_rest(act: Act | None = None, *texts: str) -> Act:
    async def run(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).session.link == "connected")
        if act is not None:
            await act(pilot)
        await shown(pilot, *texts)

    return run


async def new_chat(pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+n")


def test_empty(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_chats(host)
    assert snap_compare(frozen(make_app()), run_before=at_rest(new_chat, "Last chats"))


def streaming(host: FakeHost) -> Act:
    async def act(pilot: Pilot[None]) -> None:
        await pilot.press(*"And in Rust?", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        host.post_status(workers=(worker("busy"),))
        stream = host.hub.get(only_stream(host))
        stream.append('Here it is:\n\n```rust\nfn main() {\n    println!("42");\n', 40, 900)
        await shown(pilot, "println")
        await pilot.press(*"and in Go?", "enter")
        await shown(pilot, "queued")

    return act


def test_streaming_with_a_prompt_queued(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_answer(host)
    act = at_rest(streaming(host), "println", "queued", "11 %")
    assert snap_compare(frozen(make_app()), terminal_size=(160, 48), run_before=act)


def test_stopped(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    text = "A REST API is an interf"
    cut = host.message("assistant", text, state="stopped", stop_reason="abort")
    host.add_chat("REST in two sentences", host.message("user", "What is a REST API?\nShort."), cut)
    assert snap_compare(frozen(make_app()), run_before=at_rest(None, "stopped"))


def test_failed(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    why = "the engine died (signal 6): GGML_ASSERT(n_tokens <= n_batch) failed, the last thing it said"
    cut = host.message("assistant", "A REST", state="failed", stop_reason="error", error=why)
    host.add_chat("REST in two sentences", host.message("user", "What is a REST API?"), cut)

    async def act(pilot: Pilot[None]) -> None:
        app_of(pilot).chat_screen.prompt.put("/nonsense")
        await pilot.press("enter")

    assert snap_compare(frozen(make_app()), run_before=at_rest(act, "failed", "no command"))


def test_light(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_answer(host)
    app = frozen(make_app(Settings(theme="kensho-light")))
    assert snap_compare(app, terminal_size=(100, 30), run_before=at_rest(None, "148 tok/s"))
