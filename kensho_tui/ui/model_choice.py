"""Which model a person chose for which chat, until the host knows it; and which they chose lately."""

REMEMBERED = 20


class ModelChoice:
    """Choices by chat; None stands for the chat that has no id yet.

    What is chosen in any chat is chosen for new ones, too, as long as the app lives.
    """

    def __init__(self) -> None:
        self._chosen: dict[str | None, str] = {}
        self._before: dict[str | None, str | None] = {}
        """What was chosen before, where the model that is now has not answered yet."""
        self.recent: list[str] = []
        """Names chosen, or left for another, in this app's life, newest first."""

    def of(self, chat: str | None) -> str | None:
        return self._chosen.get(chat)

    def choose(self, chat: str | None, model: str, instead_of: str | None) -> None:
        """From the next prompt on `model` answers in `chat`, and no longer `instead_of`."""
        for place in {chat, None}:
            self._before[place] = self._chosen.get(place)
            self._chosen[place] = model
        for name in (instead_of, model):
            if name is not None:
                self.recent = [name, *(other for other in self.recent if other != name)][:REMEMBERED]

    def take_back(self, chat: str | None, model: str) -> bool:
        """`model` could not be had: what was chosen before is again, in every chat. False: something else
        is by now in `chat`."""
        taken = [place for place in self._before if self._chosen.get(place) == model]
        for place in taken:
            before = self._before.pop(place)
            if before is None:
                del self._chosen[place]
            else:
                self._chosen[place] = before
        return chat in taken

    def settle(self, chat: str, model: str | None) -> None:
        """The host says that `model` answers in `chat`."""
        if self._chosen.get(chat) == model:
            self._chosen.pop(chat, None)
            self._before.pop(chat, None)
        if self._chosen.get(None) == model:
            self._before.pop(None, None)

    def got_id(self, chat: str) -> None:
        """The chat without an id has this one now."""
        if None in self._chosen:
            self._chosen[chat] = self._chosen[None]
        if None in self._before:
            self._before[chat] = self._before[None]
