"""The worker held against a loop of llama.cpp's own calls, with the same settings and as many tokens."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from kensho_tui.core.bench_contract import BareLoop, Recommendation
from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.models.bench.bare import BareProcess, bare_process
from kensho_tui.models.bench.grid import Machine, request_for
from kensho_tui.models.bench.neighbour import neighbour
from kensho_tui.models.bench.results import Length
from kensho_tui.models.bench.session import Session
from kensho_tui.models.bench.tools import Tools


@dataclass(frozen=True)
class Comparison:
    """``base`` is how the model is loaded, ``text`` what is read, ``rounds`` how often; ``tick`` is called
    after each.
    """

    tools: Tools
    machine: Machine
    base: Load
    text: str
    rounds: int
    tick: Callable[[], None]

    async def of(self, one: Recommendation, tokens: int, length: Length, session: Session | None) -> BareLoop:
        """By turns with the worker of ``session``, which reads ``tokens`` where ``length`` is asked of it;
        None: its figures are those of ``one``. Raises `EngineError`.
        """
        ours: list[tuple[float, float]] = []
        alone: list[tuple[float, float]] = []
        async with bare_process(self.tools.bare) as bare:
            await bare.load(request_for(one.settings, self.base, self.machine), self.text)
            async with neighbour(wanted=one.condition == "shared", command=self.tools.spin):
                for _ in range(self.rounds):
                    if session is not None:
                        speeds = await session.measure(
                            one.settings, self.machine, length.prompt, length.answer
                        )
                        ours.append((speeds.prompt_tok_s, speeds.decode_tok_s))
                    alone.append(await self._best_alone(bare, one, tokens, length.answer))
                    self.tick()
        ours = ours or [(one.prompt_tok_s, one.decode_tok_s)]
        prompt, decode = (statistics.median(run[side] for run in alone) for side in (0, 1))
        if prompt <= 0 or decode <= 0:
            raise EngineError("llama.cpp alone gave no figures")
        return BareLoop(
            condition=one.condition,
            settings=one.settings,
            prompt_tok_s=prompt,
            decode_tok_s=decode,
            prompt_share=statistics.median(run[0] for run in ours) / prompt,
            decode_share=statistics.median(run[1] for run in ours) / decode,
        )

    async def _best_alone(
        self, bare: BareProcess, one: Recommendation, prompt: int, answer: int
    ) -> tuple[float, float]:
        """A loop does not find out how many threads pay: it gets the better of the two numbers."""
        counts = (one.settings.threads,) if one.settings.threads else dict.fromkeys(self.machine.paying)
        runs = [await bare.run(count, prompt, answer) for count in counts]
        return max(read for read, _ in runs), max(written for _, written in runs)
