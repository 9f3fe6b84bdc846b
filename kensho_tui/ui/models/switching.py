"""Another model for the open chat, and the end of a load. No widgets here."""

from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostGoneError, KenshoError
from kensho_tui.core.model_contract import CANCEL_LOAD
from kensho_tui.ui.session import Session


async def switch(session: Session, model: str, *, anyway: bool = False) -> None:
    """`model` answers in the open chat from the next prompt on, and is loaded now.

    When it cannot be loaded, what was chosen before is again, and the `KenshoError` says so.
    """
    chat, before = session.chat_id, session.model
    session.choice.choose(chat, model, before)
    session.prepared.add((chat, model))
    session.cancelled.discard(model)
    session.tell()
    await session.connected()
    try:
        await session.host.prepare(c.Prepare(chat=chat, model=model, switch=True, anyway=anyway))
    except HostGoneError:
        raise  # the choice goes with the next prompt
    except KenshoError as error:
        if was_cancelled(session, model):
            return
        if session.choice.take_back(chat, model) and before not in (None, model):
            kept = f"{before} answers as before"
            error.hint = f"{error.hint} · {kept}" if error.hint else kept
        raise
    finally:
        session.tell()


async def cancel_load(session: Session, model: str) -> None:
    """End the load of `model`; where it was chosen for the chat, what was chosen before is again."""
    session.cancelled.add(model)
    session.choice.take_back(session.chat_id, model)
    await session.host.call(CANCEL_LOAD, c.Empty())
    session.tell()


def was_cancelled(session: Session, model: str) -> bool:
    """Whether somebody here ended the load of `model`: then its failure is no news."""
    if model not in session.cancelled:
        return False
    session.cancelled.discard(model)
    return True
