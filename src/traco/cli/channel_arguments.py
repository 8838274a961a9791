"""What commands about channels share: how a channel is named, and where a node answers about it."""

from typing import Annotated, Final

import typer

from traco.cli.names import as_id
from traco.cli.problems import unusable

ID_BYTES: Final = 32
ROUTE: Final = "/v1/channels"

ChannelArgument = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="The channel's id in hex.", show_default=False)
]


def channel_identity(text: str) -> bytes:
    """The id of a channel. Raises ``CommandProblem`` (``channel.id``)."""
    found = as_id(text, ID_BYTES)
    if found is None:
        raise unusable("channel.id", f"{text!r} is not a channel's id: {2 * ID_BYTES} hexadecimal digits.")
    return found
