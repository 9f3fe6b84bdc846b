"""The open chat as it is known here, and which model answers in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kensho_tui.core import contract as c
from kensho_tui.ui.facts import HostFacts
from kensho_tui.ui.live import Live
from kensho_tui.ui.loading import Progress
from kensho_tui.ui.model_choice import ModelChoice

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download
    from kensho_tui.ui.ports import Host


class Place:
    """What is entered while it is open belongs to its chat; None: that has no id until its first prompt is
    taken."""

    def __init__(self, chat: str | None = None) -> None:
        self.chat = chat


class OpenChat(HostFacts):
    """The chat, its streams, and what a person chose for it. ``chat_id`` without ``chat``: it is being asked
    for."""

    def __init__(self, host: "Host", clock: Callable[[], float]) -> None:
        super().__init__(host, clock)
        self.place = Place()
        self.chat: c.Chat | None = None
        self.live: dict[str, Live] = {}
        self.choice = ModelChoice()

    @property
    def chat_id(self) -> str | None:
        return self.place.chat

    # --- which model ----------------------------------------------------------------------------------

    @property
    def model(self) -> str | None:
        """The name of the model that answers next: the one chosen, else the chat's own, else that of new
        chats. One that is not there any more does not."""
        names = (self.choice.of(self.chat_id), self._own_model)
        models = self.models
        there = (name for name in names if models is None or any(name == one.name for one in models))
        default = next((one.name for one in models or () if one.default), None)
        return next(filter(None, there), default)

    @property
    def _own_model(self) -> str | None:
        if self.chat is not None:
            return self.chat.model
        return next((one.model for one in self.recent if one.id == self.chat_id), None)

    @property
    def asked_model(self) -> str | None:
        """The model that the host is asked for, so that the one shown is the one that answers; None: the
        chat's own."""
        own = self._own_model
        if self.chat_id is not None and self.chat is None and own is None:
            return self.choice.of(self.chat_id)  # nobody here knows the chat yet
        return self.model if self.model != own else None

    @property
    def worker(self) -> c.WorkerInfo | None:
        """The worker of that model, when there is one."""
        return next((worker for worker in self.workers if worker.model == self.model), None)

    @property
    def progress(self) -> Progress | None:
        """The load of that model, while there is one."""
        return self.load_of(self.model) if self.model is not None else None

    @property
    def arrived(self) -> "Download | None":
        """The download that ended last whose model was not used yet; None: there is none."""
        return next((one for one in self.arrivals.waiting if one.model != self.model), None)

    # --- its answers ----------------------------------------------------------------------------------

    def running(self) -> Live | None:
        """The stream that `stop` would end: the one under way, else the last one queued."""
        streams = list(self.live.values())
        for live in streams:
            if live.piece is None or live.piece.phase.name != "queued":
                return live
        return streams[-1] if streams else None

    def last_answer(self) -> c.Message | None:
        messages = self.chat.messages if self.chat is not None else ()
        return next((m for m in reversed(messages) if m.role == "assistant" and m.content), None)
