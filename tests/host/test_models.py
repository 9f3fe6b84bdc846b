"""What the host offers about models, over the bus, with scripted workers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import KenshoError, LoadError, NotFoundError, UsageError
from tests.support.gguf import TINY, write_model
from tests.support.home import Home
from tests.support.turns import read_to_end, read_until, script, submit

pytestmark = [pytest.mark.slow]


@pytest.fixture
async def kensho(home: Home) -> AsyncIterator[Kensho]:
    """A host that knows two models; one of them takes a while to load."""
    home.settings('model = "quick"\n')
    for name, load_s in (("quick", 0.0), ("steady", 0.0), ("slow", 20.0)):
        told = f'#scripted {{"weights": 1000000, "load_s": {load_s}}}'
        write_model(home.paths.models / f"{name}.gguf", replace(TINY, template=told))
    home.start_scripted_host()
    async with Kensho(front_end=True) as kensho:
        yield kensho


async def names(kensho: Kensho) -> dict[str, c.ModelInfo]:
    return {model.name: model for model in await kensho.models()}


async def loaded(kensho: Kensho) -> list[str]:
    return [worker.model for worker in (await kensho.status()).workers]


async def test_the_list_says_what_is_there_and_whether_it_fits(kensho: Kensho) -> None:
    await kensho.prepare(c.Prepare(model="steady", switch=True))
    models = await names(kensho)
    assert models["quick"].default and not models["steady"].default
    assert models["steady"].resident and not models["quick"].resident
    verdicts = {name: model.verdict.kind for name, model in models.items() if model.verdict is not None}
    assert verdicts["quick"] == "fits" and verdicts["steady"] == "resident"
    assert models["quick"].architecture == "llama" and models["quick"].removable


async def test_what_a_person_sets_lasts(kensho: Kensho) -> None:
    own = m.Defaults(temperature=0.0, context=512, system="Be brief.")
    changed = await kensho.call(
        m.CHANGE, m.ChangeModel(model="quick", favourite=True, tags=("code",), defaults=own)
    )
    assert changed.favourite and changed.tags == ("code",)
    details = await kensho.call(m.DETAILS, m.ModelRef(model="quick"))
    assert details.defaults == own and details.fit is not None and details.fit.context == 512
    assert details.facts


async def test_a_list_is_told_to_those_who_watch(kensho: Kensho) -> None:
    seen = await kensho.watch({c.TOPIC_MODELS: 0}, 0.0)
    version = seen[c.TOPIC_MODELS].version if c.TOPIC_MODELS in seen else 0
    watching = asyncio.create_task(kensho.watch({c.TOPIC_MODELS: version}, 20.0))
    await kensho.call(m.CHANGE, m.ChangeModel(model="quick", favourite=True))
    assert (await watching)[c.TOPIC_MODELS].version > version


async def test_deleting_is_undone(kensho: Kensho, home: Home) -> None:
    await kensho.prepare(c.Prepare(model="steady", switch=True))
    deleted = await kensho.call(m.DELETE, m.ModelRef(model="steady"))
    assert await loaded(kensho) == [] and "steady" not in await names(kensho)
    assert not (home.paths.models / "steady.gguf").exists()
    restored = await kensho.call(m.RESTORE, m.RestoreModel(deleted.token))
    assert restored.name == "steady" and "steady" in await names(kensho)


async def test_what_answers_is_not_deleted(kensho: Kensho) -> None:
    asked = await submit(kensho, script(text="word " * 100, rate=20), model="quick")
    await read_until(kensho, asked.stream, 5)
    with pytest.raises(UsageError, match="is answering"):
        await kensho.call(m.DELETE, m.ModelRef(model="quick"))
    assert (await kensho.call(m.UNLOAD, m.Unload())).busy == ("quick",)
    await kensho.abort(asked.stream)
    _, message = await read_to_end(kensho, asked.stream)
    assert message.state == "stopped"


async def test_what_is_not_ours_to_delete_stays_loaded(kensho: Kensho, home: Home) -> None:
    path = home.root / "elsewhere.gguf"
    write_model(path, replace(TINY, template='#scripted {"weights": 1000000}'))
    await kensho.prepare(c.Prepare(model=str(path), switch=True))
    before = (await kensho.status()).workers
    with pytest.raises(UsageError, match="not deleted here"):
        await kensho.call(m.DELETE, m.ModelRef(model=str(path)))
    assert len(before) == 1 and (await kensho.status()).workers == before


async def test_the_speed_of_a_file_that_was_replaced_is_not_that_of_the_new_one(
    kensho: Kensho, home: Home
) -> None:
    path = home.paths.models / "quick.gguf"
    write_model(path, replace(TINY, template='#scripted {"load_s": 1.0}'))
    asked = await submit(kensho, script(text="word " * 4, repeat=20, rate=200), model="quick")
    while not any(worker.state == "loading" for worker in (await kensho.status()).workers):
        await asyncio.sleep(0.01)
    other = write_model(home.root / "other.gguf", replace(TINY, context=1024, template="#scripted {}"))
    other.replace(path)
    _, message = await read_to_end(kensho, asked.stream)
    assert message.state == "complete" and message.timings and message.timings.decode_tok_s > 0
    (before,) = (await kensho.status()).workers
    assert (await names(kensho))["quick"].tok_s == 0
    asked = await submit(kensho, script(text="word " * 4, repeat=20, rate=200), model="quick")
    await read_to_end(kensho, asked.stream)
    (after,) = (await kensho.status()).workers
    assert after.pid != before.pid and (await names(kensho))["quick"].tok_s > 0


async def test_a_load_is_cancelled(kensho: Kensho) -> None:
    switching = asyncio.create_task(kensho.prepare(c.Prepare(model="slow", switch=True)))
    while await loaded(kensho) != ["slow"]:
        await asyncio.sleep(0.01)
    await kensho.call(m.CANCEL_LOAD, c.Empty())
    with pytest.raises(KenshoError, match="cancelled"):
        await switching
    assert await loaded(kensho) == []


async def test_a_prefetched_model_has_a_worker_that_loads_it(kensho: Kensho, home: Home) -> None:
    await kensho.call(m.PREFETCH, m.ModelRef(model="steady"))
    (worker,) = home.named("scripted_worker")
    assert await loaded(kensho) == []
    await kensho.prepare(c.Prepare(model="steady", switch=True))
    assert [found.pid for found in home.named("scripted_worker")] == [worker.pid]
    assert await loaded(kensho) == ["steady"]


async def test_prefetching_ends(kensho: Kensho, home: Home) -> None:
    await kensho.call(m.PREFETCH, m.ModelRef(model="steady"))
    assert home.named("scripted_worker")
    await kensho.call(m.PREFETCH, m.ModelRef(model=""))
    assert not home.named("scripted_worker")


async def test_unknown_models_are_not_found(kensho: Kensho) -> None:
    for method in (m.DETAILS, m.DELETE, m.PREFETCH):
        with pytest.raises(NotFoundError):
            await kensho.call(method, m.ModelRef(model="nonsense"))
    with pytest.raises(NotFoundError):
        await kensho.call(m.FIT, m.FitModel(model="nonsense"))
    with pytest.raises(NotFoundError):
        await kensho.call(m.UNLOAD, m.Unload(model="nonsense"))


async def test_a_dry_run_says_so(kensho: Kensho) -> None:
    found = await kensho.call(m.FIT, m.FitModel(model="quick", context=256, exact=True))
    assert found.footprint.source == "dry run" and found.context == 256
    closed = await kensho.call(m.FIT, m.FitModel(model="quick", context=256))
    assert closed.footprint.source == "estimated"
    # llama.cpp tells MiB with two digits.
    assert abs(closed.footprint.kv - found.footprint.kv) < (1 << 20) / 100


async def test_a_switch_to_a_broken_file_says_what_is_wrong(kensho: Kensho, home: Home) -> None:
    home.add_model("damaged", b"nothing of the kind")
    with pytest.raises(LoadError, match="not a GGUF"):
        await kensho.prepare(c.Prepare(model="damaged", switch=True))


async def test_disk_use_and_what_can_go(kensho: Kensho) -> None:
    await kensho.call(m.DELETE, m.ModelRef(model="slow"))
    stores = {store.name: store for store in (await kensho.call(m.DISK_USE, c.Empty())).stores}
    assert stores["bin"].freeable > 0 and stores["models"].freeable == 0
    freed = await kensho.call(m.FREE_DISK, m.FreeDisk(stores=("bin",)))
    assert freed.size == stores["bin"].freeable
    assert (await kensho.models())[0].name
