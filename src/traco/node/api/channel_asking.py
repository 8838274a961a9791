"""How the API asks the channels' process: what that denies, and that it is away, become problems."""

from typing import TypeVar

from traco.node.api.problems import Problem
from traco.node.channels.link import ANSWER_S, ChannelsAway, ChannelsEnd
from traco.node.channels.requests import Answer, Denied, Request

A = TypeVar("A")


async def ask(end: ChannelsEnd, request: Request, wanted: type[A], seconds: float = ANSWER_S) -> A:
    """The answer of the channels' process within so many seconds. Raises ``Problem``."""
    try:
        answer: Answer = await end.ask(request, seconds)
    except ChannelsAway as away:
        raise Problem(
            503, "channels.away", str(away), advice="Try again in a moment; whoever runs the node sees why."
        ) from None
    if isinstance(answer, Denied):
        raise Problem(503 if answer.code.startswith("channels.") else 422, answer.code, answer.text)
    if not isinstance(answer, wanted):
        raise Problem(503, "channels.away", "the channels' process is of another release; restart the node")
    return answer
