"""What a node says of its channels in numbers, for those who run it: ids of channels and members, nothing of their content."""

from typing import Annotated, Final

import msgspec

from traco.kernel.codec import Id, Record
from traco.modules.channel.parts import ChannelId

SHOWN: Final = 20  # channels with a problem or behind that are shown one by one; the sums are over all
SUSPENDED: Final = "channel.suspended"
OUTDATED: Final = "channel.key_outdated"

Figure = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number, a size in bytes, or a time in ms."""


class ChannelFigures(Record, frozen=True):
    """One channel. ``code``: what holds it up here, empty where nothing does. The ordinals are those of points; ages are of the
    oldest point that is not executed, or not confirmed, 0 where there is none. ``is_outdated``: its key was wrapped for a
    seat that a member has no more.
    """

    channel: ChannelId
    status: str
    code: str
    noted: Figure
    executed: Figure
    confirmed: Figure
    unexecuted_ms: Figure
    unconfirmed_ms: Figure
    is_outdated: bool

    def codes(self) -> tuple[str, ...]:
        """All that is wrong with it."""
        found = (self.code, SUSPENDED * (self.status == "suspended"), OUTDATED * self.is_outdated)
        return tuple(code for code in found if code)

    @property
    def age_ms(self) -> int:
        """The greater of both ages."""
        return max(self.unexecuted_ms, self.unconfirmed_ms)


class MemberFigures(Record, frozen=True):
    """Another member's node, as seen from here since the start: what came of asking it, by outcome; whether it left the last
    question without an answer, and for how long it has been leaving them so; in how many points it dissented; for how many
    payloads it had signed that nobody could show.
    """

    member: Id
    asked: tuple[tuple[str, Figure], ...]
    is_silent: bool
    silent_ms: Figure
    dissents: Figure
    lost: Figure


class SeatFigures(Record, frozen=True):
    """Everything at one moment. Counts are over all channels that members of this node are in.

    ``read_height``, ``root_height``: up to where the root was read here, and how far it is. ``wanted``: payloads that are
    needed now and not here, the oldest for ``wanted_ms``. ``reported``: those that somebody has reported missing on the root.
    ``voided``: entries that are empty because nobody could show their payload. ``outbox_waiting``: transactions that no
    point has executed yet, the oldest first seen ``outbox_ms`` ago; ``outbox_executed``: those that are not confirmed.
    ``outdated``: epochs whose key was wrapped for a seat that a member has no more. ``epoch_ms``: age of the oldest epoch
    in force. ``channels``: the worst, at most ``SHOWN``.
    """

    read_height: Figure
    root_height: Figure
    statuses: tuple[tuple[str, Figure], ...]
    problems: tuple[tuple[str, Figure], ...]
    unexecuted: Figure
    unconfirmed: Figure
    unexecuted_ms: Figure
    unconfirmed_ms: Figure
    wanted: Figure
    wanted_ms: Figure
    reported: Figure
    voided: Figure
    outbox_waiting: Figure
    outbox_executed: Figure
    outbox_ms: Figure
    offers: tuple[tuple[str, Figure], ...]
    outdated: Figure
    epoch_ms: Figure
    custody_bytes: Figure
    custody_waiting_bytes: Figure
    custody_limit_bytes: Figure
    members: tuple[MemberFigures, ...]
    channels: tuple[ChannelFigures, ...]
