"""Which model a person chose for which chat, until the host knows it; and which they chose lately."""

REMEMBERED = 20


class ModelChoice:
    """Choices by chat; None stands for the chat that has no id yet."""

    def __init__(self) -> None:
        self._chosen: dict[str | None, str] = {}
        self._before: dict[str | None, str | None] = {}
        self.recent: list[str] = []
        """Names chosen, or left for another, in this app's life, newest first."""

    def of(self, chat: str | None) -> str | None:
        return self._chosen.get(chat)

    def choose(self, chat: str | None, model: str, instead_of: str | None) -> None:
        """From the next prompt on `model` answers in `chat`, and no longer `instead_of`."""
        self._before[chat] = self._chosen.get(chat)
        self._chosen[chat] = model
        for name in (instead_of, model):
            if name is not None:
                self.recent = [name, *(other for other in self.recent if other != name)][:REMEMBERED]

    def take_back(self, chat: str | None, model: str) -> bool:
        """`model` could not be had: what was chosen before is again. False: something else is by now."""
        if self._chosen.get(chat) != model:
            return False
        before = self._before.pop(chat, None)
        if before is None:
            del self._chosen[chat]
        else:
            self._chosen[chat] = before
        return True

    def settle(self, chat: str, model: str | None) -> None:
        """The host says that `model` answers in `chat`."""
        if self._chosen.get(chat) == model:
            self._forget(chat)

    def got_id(self, chat: str) -> None:
        """The chat without an id has this one now."""
        if None in self._chosen:
            self._chosen[chat] = self._chosen[None]
            self._forget(None)

    def _forget(self, chat: str | None) -> None:
        self._chosen.pop(chat, None)
        self._before.pop(chat, None)
